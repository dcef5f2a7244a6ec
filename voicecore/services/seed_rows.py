"""One organization of a seed file, section by section, as rows under its clients' keys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec

from pipelines.brain.words import tokens
from pipelines.errors import ConfigError, ValidationError
from voicecore.domain import instants, phone
from voicecore.domain.accounts import MemberState, Permission, Role
from voicecore.domain.agents import AgentVersion
from voicecore.domain.customers import name_key
from voicecore.domain.emails import fold_email
from voicecore.services.agents import AgentPatch, as_version, patched
from voicecore.services.seed_calls import CallSeeder
from voicecore.services.seed_format import (
    OpeningHours,
    SeedAgent,
    SeedAppointment,
    SeedBranch,
    SeedOrganization,
    SeedResource,
)
from voicecore.storage import agents as agent_rows
from voicecore.storage import customers as customer_rows
from voicecore.storage.provisioning import Provisioner
from voicecore.storage.records import Change

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)")


def slug(text: str) -> str:
    return "_".join(tokens(text))[:60] or "unnamed"


def _minutes_of_day(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def spans(hours: OpeningHours) -> list[tuple[int, int, int]]:
    """(weekday, opens, closes) in minutes since midnight. Raises ValueError for what is no such span."""
    found = []
    for day, given in hours.items():
        for text in re.split(r"\s*,\s*", given) if isinstance(given, str) else given:
            if not _SPAN.fullmatch(text):
                raise ValueError(f'{day}: "HH:MM-HH:MM" is expected')
            opens, closes = (_minutes_of_day(clock) for clock in text.split("-"))
            if opens >= closes:
                raise ValueError(f"{day}: closes before it opens")
            found.append((DAYS.index(day), opens, closes))
    return found


class OrganizationSeeder:
    """`source` and `at` say where it stands, for errors."""

    def __init__(self, rows: Provisioner, wanted: SeedOrganization, source: str, at: str) -> None:
        self._rows = rows
        self._wanted = wanted
        self._source = source
        self._at = at
        self._uid = ""
        self._business = ""

    async def run(self, password_hashes: dict[str, str]) -> None:
        """Raises ConfigError."""
        wanted = self._wanted
        own = {
            name: getattr(wanted, name)
            for name in ("name", "contact_email", "phone", "address", "settings", "timezone", "retention_days")
        }
        self._uid, _ = await self._rows.put("organizations", {"external_id": wanted.id}, own)
        main = {"name": wanted.name, "timezone": wanted.timezone, "phone": wanted.phone, "address": ""}
        self._business, _ = await self._put("businesses", "biz_main", main)
        for addon, enabled in wanted.addons.items():
            key = {"organization_uid": self._uid, "kind": addon.value}
            await self._rows.put("addons", key, {"enabled": enabled})
        await self._users(password_hashes)
        await self._business_rows(self._business, wanted, "", self._at)
        for index, branch in enumerate(wanted.branches):
            await self._branch(branch, f"{self._at}.branches[{index}]")
        for index, agent in enumerate(wanted.agents):
            await self._agent(agent, f"{self._at}.agents[{index}]")
        await self._numbers()
        for customer in wanted.customers:
            values = msgspec.structs.asdict(customer)
            digits = {"phone_digits": phone.digits(customer.phone), "phone_tail": phone.tail(customer.phone)}
            derived = digits | {"name_key": name_key(customer.name)}
            uid, change = await self._put("customers", values.pop("id"), values | derived)
            if change is Change.UPDATED:
                await customer_rows.renamed(self._rows.connection, self._uid, uid, customer.name)
        calls = CallSeeder(self._rows, self._uid, self._business, self._source)
        for index, call in enumerate(wanted.calls):
            await calls.put(call, f"{self._at}.calls[{index}]")
        await self._appointments()

    async def _put(self, table: str, external_id: str, values: dict[str, Any]) -> tuple[str, Change]:
        key = {"organization_uid": self._uid, "external_id": external_id}
        return await self._rows.put(table, key, values)

    async def _existing(self, table: str, external_id: str, key: str) -> str:
        uid = await self._rows.uid(table, self._uid, external_id)
        if uid is None:
            raise ConfigError(f'there is no "{external_id}" in {table}', source=self._source, key=key)
        return uid

    async def _users(self, password_hashes: dict[str, str]) -> None:
        for index, user in enumerate(self._wanted.users):
            email = fold_email(user.email)
            kept = {"name": user.name, "avatar_url": user.avatar_url, "platform_admin": user.platform_admin}
            values: dict[str, Any] = {"active": user.active, "password_hash": password_hashes[email]}
            values |= {column: value for column, value in kept.items() if value is not None}
            uid, _ = await self._rows.put("users", {"email": email}, values)
            key = {"user_uid": uid, "organization_uid": self._uid}
            unknown = set(user.permissions or ()) - {one.value for one in Permission if one.fine}
            if unknown:
                reason = f"there is no permission {min(unknown)!r}"
                raise ConfigError(reason, source=self._source, key=f"{self._at}.users[{index}].permissions")
            roles = [Role.USER.value if role == "staff" else role for role in user.roles]
            member: dict[str, Any] = {"roles": roles, "state": MemberState.ACTIVE.value}
            if user.permissions is not None:
                member["permissions"] = user.permissions
            await self._rows.put("memberships", key, member)

    async def _branch(self, branch: SeedBranch, at: str) -> None:
        values = {
            "name": branch.name,
            "timezone": branch.timezone or self._wanted.timezone,
            "phone": branch.phone,
            "address": branch.address,
        }
        business, _ = await self._put("businesses", f"biz_{branch.id}", values)
        await self._business_rows(business, branch, f"_{branch.id}", at)

    async def _business_rows(
        self, business: str, wanted: SeedOrganization | SeedAgent | SeedBranch, suffix: str, at: str
    ) -> None:
        """`suffix` keeps the made-up ids of several businesses apart."""
        for service in wanted.services:
            values: dict[str, Any] = {
                "name": service.name,
                "minutes": service.minutes,
                "price": service.price,
            }
            service_id = service.id or f"svc_{slug(service.name)}{suffix}"
            await self._put("services", service_id, values | {"business_uid": business})
        resources = wanted.resources
        if wanted.opening_hours and not resources:
            resources = (SeedResource(id=f"resource_1{suffix}", name="Reception"),)
        for resource in resources:
            values = {"name": resource.name, "active": resource.active, "business_uid": business}
            await self._put("resources", resource.id, values)
        try:
            hours = spans(wanted.opening_hours)
        except ValueError as error:
            raise ConfigError(str(error), source=self._source, key=f"{at}.opening_hours") from error
        await self._rows.opening_hours(self._uid, business, hours)
        for article in wanted.knowledge:
            values = msgspec.structs.asdict(article)
            key = values.pop("id") or f"kb_{slug(article.title)}{suffix}"
            await self._put("knowledge_articles", key, values | {"business_uid": business if suffix else None})

    async def _agent(self, agent: SeedAgent, at: str) -> None:
        assert agent.id is not None  # the reader saw to it
        business, suffix = self._business, ""
        if agent.company is not None:
            values = msgspec.structs.asdict(agent.company)
            values["timezone"] = values["timezone"] or self._wanted.timezone
            suffix = f"_{agent.id}"
            business, _ = await self._put("businesses", f"biz{suffix}", values)
        await self._business_rows(business, agent, suffix, at)
        old = await agent_rows.find(self._rows.connection, self._uid, agent.id)
        patch = AgentPatch(
            name=agent.name or None, description=agent.description, active=agent.active, config=agent.config
        )
        try:
            new = patched(old, patch, self._uid, business, agent.id)
        except ValidationError as error:
            path, reason = error.fields[0]
            raise ConfigError(reason, source=self._source, key=f"{at}.{path}") from error
        version: AgentVersion = as_version(new)
        change = Change.UNCHANGED
        if old is None:
            await agent_rows.add(self._rows.connection, new, version)
            change = Change.CREATED
        elif new is not old:
            await agent_rows.add_version(self._rows.connection, version)
            change = Change.UPDATED
        if old is not None and old.business_uid != business:
            await agent_rows.assign_business(self._rows.connection, old.uid, business)
            change = Change.UPDATED
        self._rows.changes.append(("agents", change))

    async def _numbers(self) -> None:
        for index, number in enumerate(self._wanted.phone_numbers):
            at = f"{self._at}.phone_numbers[{index}]"
            agent = await self._existing("agents", number.agent, f"{at}.agent")
            key = {"digits": phone.digits(number.number), "organization_uid": self._uid}
            values = {"number": number.number, "label": number.label, "sms": number.sms, "agent_uid": agent}
            await self._rows.put("phone_numbers", key, values)

    async def _appointments(self) -> None:
        for index, wanted in enumerate(self._wanted.appointments):
            await self._appointment(wanted, f"{self._at}.appointments[{index}]")

    async def _appointment(self, wanted: SeedAppointment, at: str) -> None:
        customer = next((c for c in self._wanted.customers if c.id == wanted.customer), None)
        customer_uid = call_uid = None
        if wanted.customer:
            customer_uid = await self._existing("customers", wanted.customer, f"{at}.customer")
        if wanted.call:
            call_uid = await self._existing("calls", wanted.call, f"{at}.call")
        resource = await self._existing("resources", wanted.resource, f"{at}.resource")
        business = await self._rows.business_of("resources", resource)
        service_uid, price = await self._rows.service(business, wanted.service)
        values = {
            "business_uid": business,
            "customer_uid": customer_uid,
            "customer_name": customer.name if customer else "",
            "customer_phone": customer.phone if customer else "",
            "phone_tail": phone.tail(customer.phone) if customer else "",
            "resource_uid": resource,
            "service": wanted.service,
            "service_uid": service_uid,
            "price": price if wanted.price is None else wanted.price,
            "starts_at": wanted.start,
            "ends_at": wanted.start + timedelta(minutes=wanted.minutes),
            "status": wanted.status,
            "cancel_reason": wanted.cancel_reason,
            "notes": wanted.notes,
            "source": wanted.source,
            "call_uid": call_uid,
        }
        if wanted.created_at is not None:
            values["created_at"] = wanted.created_at
        key = {"organization_uid": self._uid, "external_id": wanted.id}
        call = next((call for call in self._wanted.calls if call.id == wanted.call), None)
        booked_at = call.ended_at if call else instants.now()
        made = {} if wanted.created_at else {"created_at": min(wanted.start, booked_at)}
        await self._rows.put("appointments", key, values, **made)
