"""Handing a running call on to a person: the carrier connects caller and target, the agent leaves.

What it can truthfully do: no carrier lets a bidirectional media stream be a leg of a conference, so the agent is never
a third party. Attended means that the agent goes on with the caller until the target has answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from config.schema import CarrierSettings
from pipelines.errors import ConflictError, NotFound, ValidationError
from pipelines.events import EventKind
from voicecore.domain import instants, phone, twiml
from voicecore.domain.calls import Call, CallStatus, Direction
from voicecore.domain.dialling import CarrierStatus, TransferKind
from voicecore.domain.ids import new_external_id
from voicecore.services.carrier import Carrier, CarrierError, Leg, NoCarrier, NumberRefused, RunningCalls
from voicecore.services.tokens import Tokens
from voicecore.storage import calls as call_rows
from voicecore.storage import dials as rows
from voicecore.storage.database import Database

LINK_LIFE = timedelta(hours=6)
LONGEST_EXTENSION = 6  # digits; longer ones are numbers
UNREACHABLE = "Nobody could be reached. Goodbye."
ANNOUNCEMENT = "A call is transferred to you."
OVER = (CarrierStatus.BUSY, CarrierStatus.NO_ANSWER, CarrierStatus.FAILED, CarrierStatus.CANCELED)

log = structlog.get_logger(__name__)


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """`done`: the agent has left. `room` is the conference of caller and target, "" when they are connected
    directly."""

    call: Call
    kind: TransferKind
    target: str
    done: bool
    room: str = ""


class Transfers:
    """`base` is how the carrier reaches us."""

    def __init__(
        self,
        database: Database,
        settings: CarrierSettings,
        tokens: Tokens,
        carrier: Carrier | None,
        live: RunningCalls,
        base: Callable[[], str],
    ) -> None:
        self._database = database
        self._settings = settings
        self._tokens = tokens
        self._carrier = carrier
        self._live = live
        self._base = base

    async def transfer(self, organization_uid: str, call_id: str, kind: TransferKind, target: str) -> Transfer:
        """`target`: a number with its country's code, or an extension of up to six digits. Raises NotFound;
        ValidationError; ConflictError when the call does not run or its carrier is not ours to command; NoCarrier;
        CarrierError, and the agent goes on."""
        address = self.address(target)
        async with self._database.read() as connection:
            call = await call_rows.find(connection, organization_uid, call_id)
        if call is None:
            raise NotFound("call not found")
        if call.status is not CallStatus.ANSWERED:
            raise ConflictError("the call is not in progress")
        if call.transport != "twilio":
            raise ConflictError("this call came without a carrier and cannot be transferred")
        carrier = self._with_carrier()
        try:
            room = await self._begin(carrier, call, kind, address)
        except NumberRefused as refused:
            raise ValidationError(refused.message, (("target", refused.message),)) from refused
        done = kind is not TransferKind.ATTENDED
        await self._note(call, kind=kind.value, target=address, state="done" if done else "ringing", room=room)
        return Transfer(call=call, kind=kind, target=address, done=done, room=room)

    def address(self, target: str) -> str:
        """As carriers dial it. Raises ValidationError, NoCarrier."""
        text = target.strip()
        if text.isascii() and text.isdigit() and len(text) <= LONGEST_EXTENSION:
            pattern = self._settings.extensions or self._with_carrier().extensions
            if not pattern:
                reason = "no extensions are configured (carrier.extensions): give a number with its country's code"
                raise ValidationError("Invalid input data", (("target", reason),))
            return pattern.replace("{extension}", text)
        try:
            return phone.e164(text)
        except ValueError as error:
            raise ValidationError("Invalid input data", (("target", f"no telephone number: {error}"),)) from error

    async def reported(self, call_uid: str, kind: TransferKind, room: str, status: CarrierStatus, sid: str) -> None:
        """The target's telephone: the caller is moved when an attended one answers, and told when nobody does."""
        async with self._database.read() as connection:
            call = await call_rows.by_uid(connection, call_uid)
        if call is None:
            return
        if status is CarrierStatus.IN_PROGRESS and kind is TransferKind.ATTENDED:
            await self._move(call, room, sid)
        elif status in OVER:
            await self._note(call, kind=kind.value, state="failed", status=status.value, room=room)
            if kind is TransferKind.CONFERENCE:
                await self._tell(call, twiml.spoken(UNREACHABLE))

    # --- inside -------------------------------------------------------------------------------------

    async def _begin(self, carrier: Carrier, call: Call, kind: TransferKind, address: str) -> str:
        """Returns the room, if there is one."""
        if kind is TransferKind.BLIND:
            async with self._leaving(call):
                await self._redirect(call, twiml.dialled(address, _our_number(call), self._settings.ring_s))
            return ""
        room = new_external_id("room")
        entrance = twiml.in_room(room, ends_it=kind is TransferKind.ATTENDED, announcement=ANNOUNCEMENT)
        path = f"/webhooks/twilio/transfers/{call.uid}/{kind.value}/{room}"
        leg = Leg(
            to_number=address,
            from_number=_our_number(call) or carrier.default_number,
            sid=carrier.reserve(),
            twiml=twiml.text(entrance),
            status_url=self._base() + self._tokens.sign_url(path, instants.now() + LINK_LIFE),
            ring_s=self._settings.ring_s,
        )
        if kind is TransferKind.ATTENDED:
            await carrier.dial(leg)
            return room
        async with self._leaving(call):
            target_sid = await carrier.dial(leg)
            try:
                await self._redirect(call, twiml.in_room(room, ends_it=True))
            except CarrierError:
                await self._hang_up(target_sid)
                raise
        return room

    @contextlib.asynccontextmanager
    async def _leaving(self, call: Call) -> AsyncIterator[None]:
        """The conversation ends with what the carrier is told meanwhile, unless it fails; one caller is led away once.
        Raises ConflictError."""
        if not await self._live.leaving(call.external_id, True):
            raise ConflictError("the call is not in progress")
        try:
            yield
        except CarrierError:
            await self._live.leaving(call.external_id, False)
            raise

    async def _redirect(self, call: Call, instructions: twiml.Response) -> None:
        """Let the carrier do this with the caller. Raises CarrierError."""
        await self._with_carrier().redirect(call.sid, twiml.text(instructions))

    async def _move(self, call: Call, room: str, target_sid: str) -> None:
        """An attended target has answered. Without a caller any more he is let go."""
        kind = TransferKind.ATTENDED.value
        try:
            async with self._leaving(call):
                await self._redirect(call, twiml.in_room(room, ends_it=True))
        except (CarrierError, ConflictError) as error:
            log.info("transfer_failed", call_id=call.external_id, reason=error.message)
            await self._note(call, kind=kind, state="failed", error=error.code, room=room)
            await self._hang_up(target_sid)
            return
        await self._note(call, kind=kind, state="done", room=room)

    async def _tell(self, call: Call, instructions: twiml.Response) -> None:
        try:
            await self._redirect(call, instructions)
        except CarrierError as error:  # the caller has hung up meanwhile
            log.info("redirect_failed", sid=call.sid, reason=error.message)

    async def _hang_up(self, sid: str) -> None:
        try:
            await self._with_carrier().hang_up(sid)
        except CarrierError as error:
            log.info("carrier_hang_up_failed", sid=sid, reason=error.message)

    async def _note(self, call: Call, **data: Any) -> None:
        at_ms = (instants.now() - (call.answered_at or call.created_at)).total_seconds() * 1000.0
        async with self._database.append() as connection:
            await rows.note(connection, call.uid, EventKind.TRANSFER, at_ms, data)

    def _with_carrier(self) -> Carrier:
        if self._carrier is None:
            raise NoCarrier
        return self._carrier


def _our_number(call: Call) -> str:
    return call.from_number if call.direction is Direction.OUTBOUND else call.to_number
