"""What a person may ask of whoever holds data on him: a copy of them, and that they are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.analyses import Analysis
from voicecore.domain.calendar import AppointmentFilter
from voicecore.domain.calls import Call
from voicecore.domain.customers import Customer
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Page
from voicecore.domain.privacy import PrivacyRequest, RequestKind, RequestState, Traces
from voicecore.services.downloads import Downloads
from voicecore.storage import analyses, calendar, customers, interactions
from voicecore.storage import calls as call_rows
from voicecore.storage import privacy as rows
from voicecore.storage.database import Database

EXPORT_LIFE = timedelta(days=1)
USUAL_DURATION = timedelta(minutes=1)  # of making an export
MOST_APPOINTMENTS = 100_000
TRACE_SUFFIX = ".trace"  # beside a tape: what replays it (`recording.py`)

log = structlog.get_logger(__name__)


class ExportedCall(Call, frozen=True, kw_only=True):
    """With what was made of it."""

    analysis: Analysis | None = None


class Privacy:
    """`recordings`, `audio` and `exports` are directories; `downloads` what organizations exported."""

    def __init__(self, database: Database, recordings: Path, audio: Path, exports: Path, downloads: Downloads) -> None:
        self._downloads = downloads
        self._database = database
        self._recordings = recordings
        self._audio = audio
        self._exports = exports

    async def export(self, organization_uid: str, customer_id: str, include: Sequence[str]) -> PrivacyRequest:
        """Ask for a copy; `step` makes it. Raises NotFound."""
        now = instants.now()
        async with self._database.write() as connection:
            customer = await _customer(connection, organization_uid, customer_id)
            request = PrivacyRequest(
                uid=new_uid(),
                organization_uid=organization_uid,
                external_id=new_external_id("export"),
                customer_uid=customer.uid,
                kind=RequestKind.EXPORT,
                state=RequestState.PROCESSING,
                options={"include": list(include)},
                created_at=now,
            )
            await rows.add(connection, request)
        return request

    async def find(self, request_id: str, organization_uid: str | None) -> PrivacyRequest:
        """Raises NotFound."""
        async with self._database.read() as connection:
            found = await rows.find(connection, request_id, organization_uid)
        if found is None or found.kind is not RequestKind.EXPORT:
            raise NotFound("export not found")
        return found

    async def file(self, request_id: str, organization_uid: str | None) -> Path:
        """Of a finished export. Raises NotFound, also when it is over."""
        found = await self.find(request_id, organization_uid)
        if found.state is not RequestState.COMPLETED or found.expires_at is None or found.expires_at <= instants.now():
            raise NotFound("export not found")
        return self._file(found.external_id)

    async def delete(self, organization_uid: str, customer_id: str, *, anonymize: bool, keep: bool) -> PrivacyRequest:
        """Take a customer out of everything. `anonymize`: his rows stay, without him; `keep`: so do those that figures
        are made of. Raises NotFound."""
        now = instants.now()
        keep_rows = anonymize or keep
        async with self._database.write() as connection:
            customer = await _customer(connection, organization_uid, customer_id)
            found = await rows.traces(connection, customer)
            await rows.erase(connection, customer, found, keep=keep_rows, at=now)
            request = PrivacyRequest(
                uid=new_uid(),
                organization_uid=organization_uid,
                external_id=new_external_id("deletion"),
                kind=RequestKind.DELETE,
                state=RequestState.COMPLETED,
                options={"anonymize": anonymize, "keep_statistics": keep},
                created_at=now,
                finished_at=now,
            )
            await rows.add(connection, request)
        await asyncio.to_thread(self._remove, found)
        await self._downloads.forget(organization_uid)
        return request

    # --- work in the background -------------------------------------------------------------------------

    async def step(self) -> bool:
        """Make one export that was asked for, and remove those that are over. True when there was one to make."""
        await self._sweep()
        async with self._database.read() as connection:
            request = await rows.pending(connection)
            content = None if request is None else await self._content(connection, request)
        if request is None:
            return False
        now, state = instants.now(), RequestState.COMPLETED
        try:
            await asyncio.to_thread(self._write, request.external_id, content)
        except (OSError, TypeError, ValueError) as error:
            log.error("export_failed", export=request.external_id, reason=type(error).__name__)
            state = RequestState.FAILED
        async with self._database.write() as connection:
            kept = await rows.finish(connection, request.uid, state, now, now + EXPORT_LIFE)
        if not kept or state is RequestState.FAILED:  # the customer was deleted meanwhile
            await asyncio.to_thread(self._file(request.external_id).unlink, missing_ok=True)
        return True

    async def _sweep(self) -> None:
        async with self._database.read() as connection:
            over = await rows.expired(connection, instants.now())
        for request in over:
            await asyncio.to_thread(self._file(request.external_id).unlink, missing_ok=True)
            async with self._database.write() as connection:
                await rows.forget_file(connection, request.uid)

    async def _content(self, connection: AsyncConnection, request: PrivacyRequest) -> dict[str, Any]:
        assert request.customer_uid is not None  # a deletion withdraws its customer's requests
        customer = await customers.by_uid(connection, request.customer_uid)
        assert customer is not None
        include, organization = request.options["include"], request.organization_uid
        content: dict[str, Any] = {"exported_at": instants.now(), "customer": customer}
        if {"calls", "transcripts"} & set(include):
            found = [
                call
                for uid in await rows.calls_of(connection, customer)
                if (call := await call_rows.by_uid(connection, uid)) is not None
            ]
            if "calls" in include:
                made = await analyses.of_calls(connection, organization, [call.uid for call in found])
                content["calls"] = [
                    ExportedCall(**msgspec.structs.asdict(call), analysis=made.get(call.uid)) for call in found
                ]
            if "transcripts" in include:
                content["transcripts"] = {c.external_id: await call_rows.turns_of(connection, c.uid) for c in found}
        if "interactions" in include:
            content["interactions"] = await interactions.of_customer(connection, customer.uid)
        if "appointments" in include:
            wanted = AppointmentFilter(customer_id=customer.external_id)
            found_rows = await calendar.listing(connection, organization, wanted, Page(0, MOST_APPOINTMENTS))
            content["appointments"] = found_rows.rows
        return content

    # --- files ------------------------------------------------------------------------------------------

    def _file(self, external_id: str) -> Path:
        return self._exports / f"{external_id}.json"

    def _write(self, external_id: str, content: dict[str, Any] | None) -> None:
        self._exports.mkdir(parents=True, exist_ok=True)
        file = self._file(external_id)
        unfinished = file.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(_shown(content)), indent=2))
        unfinished.replace(file)

    def _remove(self, found: Traces) -> None:
        remove_tapes(self._recordings, found.recordings)
        for name in found.audio:
            (self._audio / name).unlink(missing_ok=True)
        for external_id in found.exports:
            self._file(external_id).unlink(missing_ok=True)


def remove_tapes(directory: Path, names: Sequence[str]) -> None:
    """And what replays them. Blocks: a thread's work."""
    for name in names:
        tape = directory / name
        for file in (tape, tape.with_suffix(TRACE_SUFFIX)):
            file.unlink(missing_ok=True)


async def _customer(connection: AsyncConnection, organization_uid: str, customer_id: str) -> Customer:
    found = await customers.find(connection, organization_uid, customer_id)
    if found is None:
        raise NotFound("customer not found")
    return found


_INTERNAL = (
    *("uid", "seq", "organization_uid", "business_uid", "customer_uid", "call_uid", "agent_uid", "service_uid"),
    "node",
)


def _shown(value: Any) -> Any:
    """Without what only we understand, and with the ids that clients know as `id`."""
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, datetime) or not isinstance(value, msgspec.Struct):
        return value
    members = {k: _shown(v) for k, v in msgspec.structs.asdict(value).items() if k not in _INTERNAL}
    if "external_id" in members:
        members = {"id": members.pop("external_id")} | members
    return members
