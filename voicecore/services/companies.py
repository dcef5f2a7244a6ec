"""What a company says of itself and how it wants to be told: read and changed by its members."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pipelines.errors import NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Organization
from voicecore.domain.agents import merge
from voicecore.storage import agents, businesses, organizations, tenants
from voicecore.storage.database import Database

MISSING = "company not found"
LONGEST = 2000  # characters
NOTIFICATIONS = {
    "email_notifications": True,
    "sms_notifications": False,
    "appointment_reminders": True,
    "daily_summary": True,
}
# Where a company's members are kept: columns of the organization, else its settings.
COLUMNS = {"name": "name", "phone": "phone"}
DEFAULTS = {"logo_url": "", "website": "", "currency": "EUR", "language": "en"}


class CompanyFile(msgspec.Struct, frozen=True, kw_only=True):
    organization: Organization
    profile: dict[str, str]  # as DEFAULTS
    notifications: dict[str, bool]
    agents: int
    branches: int


class Companies:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, organization_uid: str) -> CompanyFile:
        """Raises NotFound."""
        async with self._database.read() as connection:
            organization = await tenants.organization(connection, organization_uid)
            if organization is None:
                raise NotFound(MISSING)
            number = await agents.count_of(connection, organization_uid)
            branches = await businesses.count(connection, organization_uid)
        kept = organization.settings
        told = kept.get("notifications")
        return CompanyFile(
            organization=organization,
            profile={name: str(kept.get(name) or usual) for name, usual in DEFAULTS.items()},
            notifications=NOTIFICATIONS | (told if isinstance(told, dict) else {}),
            agents=number,
            branches=branches,
        )

    async def change(
        self, organization_uid: str, company: Mapping[str, str], notifications: Mapping[str, bool]
    ) -> CompanyFile:
        """What is named changes, the rest stays. Raises ValidationError, NotFound."""
        _check(company)
        settings: dict[str, Any] = {name: value for name, value in company.items() if name not in COLUMNS}
        if notifications:
            settings["notifications"] = dict(notifications)
        async with self._database.write() as connection:
            old = await tenants.organization(connection, organization_uid)
            if old is None:
                raise NotFound(MISSING)
            changes: dict[str, Any] = {COLUMNS[name]: value for name, value in company.items() if name in COLUMNS}
            if "timezone" in company:
                changes["timezone"] = company["timezone"]
            if settings:
                changes["settings"] = merge(old.settings, settings)
            if changes:
                await organizations.change(connection, organization_uid, changes)
        return await self.get(organization_uid)


def _check(company: Mapping[str, str]) -> None:
    """Raises ValidationError."""
    problems: list[tuple[str, str]] = []
    for name, value in company.items():
        if reason := _problem(name, value):
            problems.append((f"company.{name}", reason))
    if problems:
        raise ValidationError("invalid settings", tuple(problems))


def _problem(name: str, value: str) -> str:
    if len(value) > LONGEST:
        return f"may not be greater than {LONGEST} characters"
    if name == "name" and not value.strip():
        return "required"
    if name in ("logo_url", "website") and value and not _is_link(value):
        return "must be an http or https address"
    if name == "currency" and not re.fullmatch("[A-Z]{3}", value):
        return "must be a currency like EUR"
    if name == "language" and not re.fullmatch("[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", value):
        return "must be a language like de"
    if name == "timezone":
        try:
            instants.zone(value)
        except ValueError:
            return "must be an IANA time zone"
    return ""


def _is_link(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
