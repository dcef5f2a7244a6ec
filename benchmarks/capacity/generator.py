"""All callers of a benchmark in one process: one absolute clock of 1 ms slots, calls spread evenly over the 20 ms.

Elastic: `resize` rings or hangs up at a bounded rate, so that one server is measured at rising numbers of calls.
Its own lateness is measured slot by slot. It knows nothing of the server but a WebSocket address or a webhook.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

import aiohttp
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.capacity.caller import FRAME_MS, Caller
from benchmarks.capacity.figures import Figures
from benchmarks.capacity.speech import Utterance
from pipelines.errors import VoicecoreError
from voicecore.phone.dialect import Identity
from voicecore.phone.twiml import StreamTarget, fetch_stream

SLOTS = FRAME_MS  # one a millisecond
CONNECTING_AT_ONCE = 8
RING_TIMEOUT_S = 10.0

Dial = Callable[[Identity], Awaitable[StreamTarget]]


def direct(url: str) -> Dial:
    """Dial a media socket whose address is known."""

    async def dial(identity: Identity) -> StreamTarget:
        return StreamTarget(url, {})

    return dial


def through_webhook(session: aiohttp.ClientSession, webhook: str) -> Dial:
    """Dial as Twilio does: ask the voice webhook first."""

    async def dial(identity: Identity) -> StreamTarget:
        return await fetch_stream(
            session, webhook, identity, caller="+15550100001", called="+15550100000", auth_token=""
        )

    return dial


class _Phone(WSListener):
    """The socket of one call."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.transport: WSTransport | None = None
        self.caller: Caller | None = None
        self.slot = 0
        self.hung_up = False

    def send(self, message: bytes) -> None:
        if self.transport is not None:
            self.transport.send(WSMsgType.TEXT, message)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT and self.caller is not None:
            self.caller.receive(frame.get_payload_as_memoryview(), time.monotonic() * 1000.0)
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None
        self._generator.gone(self)


class Generator:
    """Callers of one server. Use as an async context manager."""

    def __init__(self, dial: Dial, script: list[Utterance], *, barge_in: bool = False) -> None:
        self.figures = Figures()
        self._dial = dial
        self._script = script
        self._barge_in = barge_in
        self._slots: list[list[_Phone]] = [[] for _ in range(SLOTS)]
        self._numbers = count()
        self._clock: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._slot = 0
        self._closing = False

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    async def __aenter__(self) -> Generator:
        self._loop = asyncio.get_running_loop()
        self._due_s = time.monotonic() + 0.001
        self._clock = self._loop.call_later(0.001, self._tick)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.resize(0, per_second=400.0)
        if self._clock is not None:
            self._clock.cancel()

    # --- the clock ----------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Every slot that is due, each against its own deadline; a late one delays none after it."""
        until = time.monotonic()  # no further, so that sockets are read also when this machine is too slow
        figures = self.figures
        while self._due_s <= until:
            due_ms = self._due_s * 1000.0
            phones = self._slots[self._slot]
            if phones:
                for phone in phones:
                    assert phone.caller is not None
                    phone.caller.frame(due_ms)
                figures.frames_sent += len(phones)
                figures.lateness_ms.append(time.monotonic() * 1000.0 - due_ms)
            self._slot = (self._slot + 1) % SLOTS
            self._due_s += FRAME_MS / SLOTS / 1000.0
        self._clock = self._loop.call_later(max(0.0, self._due_s - time.monotonic()), self._tick)

    # --- how many -----------------------------------------------------------------------------------

    async def resize(self, calls: int, *, per_second: float) -> None:
        """Ring or hang up, spread over time. Calls that are refused or lost are counted and not replaced."""
        started, changed = time.monotonic(), 0
        ringing: set[asyncio.Task[None]] = set()
        missing = calls - len(self)
        while changed < abs(missing):
            if missing > 0:
                if len(ringing) >= CONNECTING_AT_ONCE:
                    _, ringing = await asyncio.wait(ringing, return_when=asyncio.FIRST_COMPLETED)
                ringing.add(asyncio.create_task(self._ring()))
            else:
                self._hang_up_one()
            changed += 1
            await asyncio.sleep(max(0.0, started + changed / per_second - time.monotonic()))
        if ringing:
            await asyncio.wait(ringing)

    async def _ring(self) -> None:
        identity = Identity.new()
        phone = _Phone(self)
        try:
            async with asyncio.timeout(RING_TIMEOUT_S):
                target = await self._dial(identity)
                await ws_connect(lambda: phone, target.url, max_frame_size=1 << 22)
        except (WSError, OSError, TimeoutError, VoicecoreError):
            self.figures.refused_calls += 1
            return
        if phone.transport is None:
            self.figures.refused_calls += 1
            return
        phone.caller = Caller(next(self._numbers), self._script, self.figures, phone.send, self._barge_in)
        phone.caller.open(identity.call_sid, target.parameters, time.monotonic() * 1000.0)
        phone.slot = min(range(SLOTS), key=lambda slot: len(self._slots[slot]))
        self._slots[phone.slot].append(phone)

    def _hang_up_one(self) -> None:
        slot = max(self._slots, key=len)
        if slot:
            self._end(slot[0])

    def _end(self, phone: _Phone) -> None:
        self._slots[phone.slot].remove(phone)
        phone.hung_up = True
        if phone.caller is not None and phone.transport is not None:
            phone.caller.hang_up()
            phone.transport.send_close()
            phone.transport.disconnect()

    def gone(self, phone: _Phone) -> None:
        """The server closed a call that should have gone on."""
        if phone.hung_up or phone.caller is None:
            return
        self.figures.lost_calls += 1
        phone.hung_up = True
        if phone in self._slots[phone.slot]:
            self._slots[phone.slot].remove(phone)
