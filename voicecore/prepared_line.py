"""One call that is ready to run, and how it is closed: the tape first, then the row.

Whatever the disk does, the row ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import structlog

from pipelines.conversation import Conversation
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.meter import Meter
from voicecore.domain import instants
from voicecore.domain.calls import MediaHealth
from voicecore.metrics import CallMetrics
from voicecore.recording import Finished, Recorder
from voicecore.services.call_log import CallJournal
from voicecore.services.receptionist_ports import Callbacks

log = structlog.get_logger(__name__)

TAPE_CLOSE_S = 10.0  # for the disk, after a call


class Desk:
    """The agent's hands on the call itself (see `ports.CallControl`)."""

    def __init__(
        self, callbacks: Callbacks, hang_up: Callable[[], None], put_through: Callable[[], Awaitable[None]]
    ) -> None:
        self._callbacks = callbacks
        self._hang_up = hang_up
        self._put_through = put_through

    def end_call(self) -> None:
        self._hang_up()

    async def request_callback(self, customer_name: str, customer_phone: str, reason: str) -> None:
        await self._callbacks.request_callback(customer_name, customer_phone, reason)

    async def transfer(self, reason: str) -> None:
        await self._put_through()


class PreparedLine:
    """One call, ready to run: the conversation with its journal and tape."""

    def __init__(
        self,
        conversation: Conversation,
        journal: CallJournal,
        recorder: Recorder,
        metrics: CallMetrics,
        meter: Meter,
        root: Path,
        release: Callable[[], None],
    ) -> None:
        self.conversation = conversation
        self._journal = journal
        self._recorder = recorder
        self._metrics = metrics
        self._meter = meter
        self._root = root
        self._release = release

    @property
    def call_id(self) -> str:
        return self._journal.call.external_id

    async def run(self) -> EndReason:
        # What was said while the line was prepared belongs to the call, too.
        since_ms = self.conversation.clock.at(asyncio.get_running_loop().time() * 1000.0)
        self._journal.answered(instants.now() - timedelta(milliseconds=since_ms))
        with self._metrics.running():
            return await self.conversation.run()

    async def close(self, reason: EndReason, health: MediaHealth) -> None:
        """Finish the tape and the row. Whatever the disk does, the row ends."""
        self._release()
        at_ms = self.conversation.clock.at(asyncio.get_running_loop().time() * 1000.0)
        self._journal.event(CallEvent(EventKind.CALL_ENDED, at_ms, data={"reason": reason.value}))
        self._journal.media_health(health)
        self._metrics.ended(reason, health)
        rest = self._meter.settle()
        self._metrics.usage.count(rest)
        self._journal.used(rest)
        finished = await self._finish_tape()
        if finished is not None:
            self._journal.recorded(
                str(finished.path.relative_to(self._root)),
                rate_hz=finished.rate_hz,
                duration_ms=finished.duration_ms,
                size_bytes=finished.size_bytes,
                peaks=finished.peaks,
            )
        self._journal.ended(reason, at_ms)

    async def _finish_tape(self) -> Finished | None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Finished | None] = loop.create_future()

        def settle(finished: Finished | None) -> None:
            if not done.done():
                done.set_result(finished)

        def from_thread(finished: Finished | None) -> None:
            loop.call_soon_threadsafe(settle, finished)

        self._recorder.finish(from_thread)
        try:
            async with asyncio.timeout(TAPE_CLOSE_S):
                return await done
        except TimeoutError:
            log.exception("recording_unfinished", call_id=self._journal.call.external_id)
            return None
