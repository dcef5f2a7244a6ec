"""The company's settings: what it says of itself, how it wants to be told, and what there is."""

from __future__ import annotations

from typing import Any

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.later import is_later
from voicecore.api.portal.words import BASE
from voicecore.domain.accounts import Permission
from voicecore.services.companies import Companies, CompanyFile


class CompanySettings(msgspec.Struct, kw_only=True):
    id: int
    name: str
    logo_url: str
    website: str
    phone: str
    timezone: str
    currency: str
    language: str


class NotificationSettings(msgspec.Struct, kw_only=True):
    email_notifications: bool
    sms_notifications: bool
    appointment_reminders: bool
    daily_summary: bool


class CalendarState(msgspec.Struct):
    """Our own calendar is not connected to another one."""

    connected: bool
    last_sync: str | None


class AgentState(msgspec.Struct):
    """This server holds the calls: connected when an agent is there to answer."""

    connected: bool
    agent_count: int


class Integrations(msgspec.Struct):
    calcom: CalendarState
    retell: AgentState


class Features(msgspec.Struct, kw_only=True):
    goals_enabled: bool
    journey_enabled: bool
    multi_branch: bool
    custom_fields: bool


class SettingsResponse(msgspec.Struct):
    company: CompanySettings
    notifications: NotificationSettings
    integrations: Integrations
    features: Features


class CompanyChange(msgspec.Struct, frozen=True):
    name: str | msgspec.UnsetType = msgspec.UNSET
    logo_url: str | msgspec.UnsetType = msgspec.UNSET
    website: str | msgspec.UnsetType = msgspec.UNSET
    phone: str | msgspec.UnsetType = msgspec.UNSET
    timezone: str | msgspec.UnsetType = msgspec.UNSET
    currency: str | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType = msgspec.UNSET


class NotificationChange(msgspec.Struct, frozen=True):
    email_notifications: bool | msgspec.UnsetType = msgspec.UNSET
    sms_notifications: bool | msgspec.UnsetType = msgspec.UNSET
    appointment_reminders: bool | msgspec.UnsetType = msgspec.UNSET
    daily_summary: bool | msgspec.UnsetType = msgspec.UNSET


class SettingsChange(msgspec.Struct):
    """What is left out stays, on both levels."""

    company: CompanyChange = CompanyChange()
    notifications: NotificationChange = NotificationChange()


class SettingsHandlers:
    def __init__(self, companies: Companies) -> None:
        self._companies = companies

    async def get(self, exchange: Exchange) -> SettingsResponse:
        return _shape(await self._companies.get(exchange.organization_uid))

    async def change(self, exchange: Exchange) -> SettingsResponse:
        body: SettingsChange = exchange.body
        return _shape(
            await self._companies.change(exchange.organization_uid, _given(body.company), _given(body.notifications))
        )

    def routes(self) -> list[Route]:
        path, tag = f"{BASE}/settings", "Settings"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.get,
                summary="The company's settings",
                tag=tag,
                response=SettingsResponse,
                permission=Permission.SETTINGS_VIEW,
            ),
            Route(
                method="PUT",
                path=path,
                handler=self.change,
                summary="Change what is sent, keep the rest",
                tag=tag,
                body=SettingsChange,
                response=SettingsResponse,
                permission=Permission.SETTINGS_MANAGE,
            ),
        ]


def _given(change: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}


def _shape(file: CompanyFile) -> SettingsResponse:
    company = file.organization
    return SettingsResponse(
        company=CompanySettings(
            id=company.seq, name=company.name, phone=company.phone, timezone=company.timezone, **file.profile
        ),
        notifications=msgspec.convert(file.notifications, NotificationSettings),
        integrations=Integrations(CalendarState(False, None), AgentState(file.agents > 0, file.agents)),
        features=Features(
            goals_enabled=not is_later("/goals"),
            journey_enabled=not is_later("/customer-journey/stages"),
            multi_branch=file.branches > 1,
            custom_fields=False,  # no operation of this document shows any
        ),
    )
