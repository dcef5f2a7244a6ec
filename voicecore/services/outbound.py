"""Calls that we make: placing them, dialling what is due, and what the carrier reports until somebody answers.

A call is one row from the wish to the end. Who dials marks that before the carrier is asked, so that after a crash no
telephone rings twice; once somebody has answered, the conversation is the row's owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from config.schema import CarrierSettings
from pipelines.errors import ConflictError, NotFound, Overloaded, ValidationError
from pipelines.events import EndReason, EventKind
from voicecore.domain import instants
from voicecore.domain.calls import Call, CallStatus
from voicecore.domain.dialling import ENDINGS, UNANSWERED, CarrierStatus, DueCall, Placement
from voicecore.services.carrier import Carrier, CarrierError, Gate, Leg, NoCarrier, NumberRefused, RunningCalls
from voicecore.services.placing import Placed, wanted_call
from voicecore.services.tokens import Tokens
from voicecore.storage import calls as call_rows
from voicecore.storage import dials as rows
from voicecore.storage.database import Database

AT_ONCE = 10  # calls that are dialled or given up at the same time, per process
LEASE = timedelta(seconds=60)  # for one look at a call
FULL_WAIT = timedelta(seconds=2)  # until a call is looked at again for which there was no line
RETRIES = [timedelta(seconds=seconds) for seconds in (2, 5, 15, 30, 60)]
SLACK = timedelta(seconds=30)  # for the carrier, beyond the time it rings
CONNECTING = timedelta(seconds=15)  # from the answer to the media stream
LINK_LIFE = timedelta(days=1)

log = structlog.get_logger(__name__)


class Outbound:
    """`base` is how the carrier reaches us. Without a carrier everything that needs one raises NoCarrier."""

    def __init__(
        self,
        database: Database,
        settings: CarrierSettings,
        tokens: Tokens,
        carrier: Carrier | None,
        live: RunningCalls,
        gate: Gate,
        base: Callable[[], str],
    ) -> None:
        self._database = database
        self._settings = settings
        self._tokens = tokens
        self._carrier = carrier
        self._live = live
        self._gate = gate
        self._base = base
        self._running: set[asyncio.Task[None]] = set()

    # --- for clients --------------------------------------------------------------------------------

    async def place(self, organization_uid: str, wanted: Placement) -> Placed:
        """Call now, or at the time wanted; one without a line now is dialled as soon as there is one. Raises NoCarrier;
        NotFound (agent, customer); ValidationError (numbers, time), also when the carrier refuses a number at once;
        CarrierError when it refuses the call for good. A call that was refused is on record, as failed."""
        carrier = self._with_carrier()
        now = instants.now()
        async with self._database.append() as connection:
            call, dial = await wanted_call(connection, organization_uid, wanted, now, carrier)
            at_once = dial.scheduled_at <= now
            await rows.add(connection, call, msgspec.structs.replace(dial, next_at=now + LEASE) if at_once else dial)
        if at_once:
            try:
                await self._dial(DueCall(call, dial))
            except NumberRefused as refused:
                raise ValidationError(refused.message, ((refused.field, refused.message),)) from refused
            call = await self._call(organization_uid, call.external_id)
        return Placed(call=call, estimated_start=wanted.scheduled_at or dial.scheduled_at)

    async def cancel(self, organization_uid: str, call_id: str) -> Call:
        """Not call, or stop ringing. Raises NotFound; ConflictError when somebody has answered or it is over."""
        call = await self._call(organization_uid, call_id)
        if not await self._cancelled(call):
            raise ConflictError("the call was answered already, or is over")
        return await self._call(organization_uid, call_id)

    async def hang_up(self, organization_uid: str, call_id: str) -> Call:
        """Cancel a call that nobody has answered, end another after a closing sentence. Raises NotFound; ConflictError
        when it does not run."""
        call = await self._call(organization_uid, call_id)
        if not await self._cancelled(call) and not await self._live.hang_up(call.external_id):
            raise ConflictError("the call is not in progress")
        return await self._call(organization_uid, call_id)

    # --- the scheduler ------------------------------------------------------------------------------

    async def step(self) -> int:
        """Begin with what is due: dial, or give up. Returns how many calls that are."""
        now, room = instants.now(), AT_ONCE - len(self._running)
        if self._carrier is None or room <= 0 or self._gate.draining:
            return 0
        async with self._database.read() as connection:
            if not await rows.any_due(connection, now):
                return 0
        async with self._database.append() as connection:
            claimed = await rows.claim(connection, now, now + LEASE, room)
        for due in claimed:
            task = asyncio.create_task(self._attend(due))
            self._running.add(task)
            task.add_done_callback(self._over)
        return len(claimed)

    async def idle(self) -> None:
        """Everything that was begun is over."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dialling_failed", exc_info=error)

    async def _attend(self, due: DueCall) -> None:
        if due.call.status not in UNANSWERED:
            async with self._database.append() as connection:
                await rows.change(connection, due.dial, next_at=None)
        elif due.dial.dialled_at is not None:
            await self._give_up(due)
        else:
            try:
                await self._dial(due)
            except CarrierError as error:
                log.warning("call_not_placed", call_id=due.call.external_id, reason=error.message)

    async def _dial(self, due: DueCall) -> None:
        """Raises CarrierError when the call is ended for it."""
        carrier, call, dial, now = self._with_carrier(), due.call, due.dial, instants.now()
        if now > dial.scheduled_at + timedelta(seconds=self._settings.grace_s):
            await self._end(call, EndReason.TOO_LATE)
            return
        if not await self._begun(due, now):
            return
        leg = Leg(
            to_number=dial.dialled_number,
            from_number=dial.caller_number,
            sid=call.sid,
            answer_url=self._link(f"/webhooks/twilio/outbound/{call.uid}"),
            status_url=self._link(f"/webhooks/twilio/outbound/{call.uid}/status"),
            ring_s=self._settings.ring_s,
        )
        try:
            sid = await carrier.dial(leg)
        except CarrierError as error:
            await self._not_dialled(due, error)
            return
        if await self._dialled(call, sid):
            return
        await self._hung_up_at_carrier(sid)

    async def _begun(self, due: DueCall, now: datetime) -> bool:
        """Take a line for the call and mark it as dialled; False when there is none, or nobody wants it any more."""
        try:
            self._gate.check(due.call.organization_uid, due.dial.caller_number, due.dial.dialled_number)
            full = False
        except Overloaded:
            full = True
        async with self._database.append() as connection:
            if full or await rows.under_way(connection) >= self._settings.max_calls:
                await rows.change(connection, due.dial, next_at=now + FULL_WAIT)
                return False
            if not await rows.queue(connection, due.call, now):
                return False
            until = now + timedelta(seconds=self._settings.ring_s) + SLACK
            return await rows.begin(connection, due.dial, now, until)

    async def _dialled(self, call: Call, sid: str) -> bool:
        """False: it was cancelled meanwhile."""
        async with self._database.append() as connection:
            await call_rows.update_call(connection, call.uid, {"sid": sid})
            known = await call_rows.by_uid(connection, call.uid)
        return known is not None and known.status is not CallStatus.ENDED

    async def _not_dialled(self, due: DueCall, error: CarrierError) -> None:
        """Raises `error` when there is no point in trying again."""
        data = {"error": error.code, "message": error.message}
        if error.unknown:  # it may ring: whoever answers is talked to, else it is given up when the time is over
            async with self._database.append() as connection:
                await rows.note(connection, due.call.uid, EventKind.CARRIER_STATUS, 0.0, data)
            return
        if not error.again:
            await self._end(due.call, EndReason.CARRIER_FAILED, data)
            raise error
        wait = RETRIES[min(due.dial.attempts, len(RETRIES) - 1)]
        async with self._database.append() as connection:
            await rows.note(connection, due.call.uid, EventKind.CARRIER_STATUS, 0.0, data)
            await rows.change(connection, due.dial, dialled_at=None, next_at=instants.now() + wait)

    async def _give_up(self, due: DueCall) -> None:
        """Nobody answered in time; or somebody did, and no media stream came."""
        lost = due.dial.reached_at is not None or not due.call.sid
        if await self._end(due.call, EndReason.CARRIER_FAILED if lost else EndReason.NO_ANSWER) and due.call.sid:
            await self._hung_up_at_carrier(due.call.sid)

    # --- the carrier's reports ----------------------------------------------------------------------

    async def reached(self, call_uid: str, sid: str) -> Call | None:
        """Somebody answered, and the carrier asks what to do: the call to connect him with. None: it is over."""
        async with self._database.append() as connection:
            due = await rows.of_call(connection, call_uid)
            if due is None or due.call.status not in UNANSWERED:
                return None
            now = instants.now()
            await rows.change(connection, due.dial, reached_at=now, next_at=now + CONNECTING)
            ringing = {"status": CallStatus.RINGING.value, "sid": sid}
            await rows.step(connection, call_uid, UNANSWERED, ringing)
            return await call_rows.by_uid(connection, call_uid)

    async def connected(self, call_uid: str, sid: str, node: str) -> Call | None:
        """The media stream of the one who answered is there: from now on the conversation has the call. None: it is
        over, or another stream has it."""
        async with self._database.append() as connection:
            if not await rows.connected(connection, call_uid):
                return None
            await call_rows.update_call(connection, call_uid, {"sid": sid, "node": node, "transport": "twilio"})
            return await call_rows.by_uid(connection, call_uid)

    async def refused(self, call_uid: str, reason: EndReason) -> None:
        """Somebody answered, and there is no line for him any more."""
        async with self._database.read() as connection:
            due = await rows.of_call(connection, call_uid)
        if due is not None:
            await self._end(due.call, reason)

    async def reported(self, call_uid: str, status: CarrierStatus) -> None:
        """Reports may come twice, late and in any order: a call only goes forward."""
        async with self._database.append() as connection:
            due = await rows.of_call(connection, call_uid)
            if due is None:
                return
            if status in (CarrierStatus.RINGING, CarrierStatus.IN_PROGRESS):
                before = (CallStatus.SCHEDULED, CallStatus.QUEUED)
                if await rows.step(connection, call_uid, before, {"status": CallStatus.RINGING.value}):
                    await rows.note(connection, call_uid, EventKind.CARRIER_STATUS, 0.0, {"status": status.value})
                return
            if status in (CarrierStatus.QUEUED, CarrierStatus.INITIATED):
                return
            if due.dial.reached_at is not None:  # its media stream may be on record in a moment
                soon = min(due.dial.next_at or instants.now() + CONNECTING, instants.now() + CONNECTING)
                await rows.change(connection, due.dial, next_at=soon)
                return
        await self._end(due.call, ENDINGS.get(status, EndReason.CARRIER_FAILED), {"status": status.value})

    # --- inside -------------------------------------------------------------------------------------

    def _with_carrier(self) -> Carrier:
        if self._carrier is None:
            raise NoCarrier
        return self._carrier

    def _link(self, path: str) -> str:
        return self._base() + self._tokens.sign_url(path, instants.now() + LINK_LIFE)

    async def _call(self, organization_uid: str, call_id: str) -> Call:
        async with self._database.read() as connection:
            call = await call_rows.find(connection, organization_uid, call_id)
        if call is None:
            raise NotFound("call not found")
        return call

    async def _cancelled(self, call: Call) -> bool:
        """False: it is no call of ours that nobody has answered."""
        async with self._database.read() as connection:
            due = await rows.of_call(connection, call.uid)
        if due is None or not await self._end(call, EndReason.CANCELLED):
            return False
        if due.dial.dialled_at is not None and due.call.sid:
            await self._hung_up_at_carrier(due.call.sid)
        return True

    async def _end(self, call: Call, reason: EndReason, data: dict[str, Any] | None = None) -> bool:
        async with self._database.append() as connection:
            done = await rows.end(connection, call.uid, rows.ended(reason, instants.now()))
            if done and data:
                await rows.note(connection, call.uid, EventKind.CARRIER_STATUS, 0.0, data)
        if done:
            self._live.over(call.external_id)
        return done

    async def _hung_up_at_carrier(self, sid: str) -> None:
        try:
            await self._with_carrier().hang_up(sid)
        except CarrierError as error:  # over already, or it ends when it has rung long enough
            log.info("carrier_hang_up_failed", sid=sid, reason=error.message)
