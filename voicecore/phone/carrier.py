"""Places a call: webhook, WebSocket, and the 20 ms clock that drives a `Line`.

The clock's deadlines are absolute, so a late frame does not push back the ones behind it. It owns the
socket and the time; what is said and heard is the line's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

import aiohttp
import msgspec

from voicecore.phone.caller import Caller
from voicecore.phone.dialect import FRAME_MS, Identity
from voicecore.phone.line import Line
from voicecore.phone.measure import MeasuredTurn, measure_turns
from voicecore.phone.recording import Recording
from voicecore.phone.twiml import CallFailed, StreamTarget, fetch_stream, signature_headers

VOICE_WEBHOOK_PATH = "/webhooks/twilio/voice"
CLOSE_TIMEOUT_S = 5.0  # for the server's half of the closing handshake, and for connecting


class EndedBy(StrEnum):
    CALLER = "caller"
    SERVER = "server"
    TIMEOUT = "timeout"


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to call. http(s): the voice webhook, at its usual path when none is given; ws(s): the stream."""

    url: str
    caller: str = "+15550100001"
    called: str = "+15550100000"
    agent: str = ""
    account_sid: str = ""
    auth_token: str = ""  # signs the webhook and the upgrade

    def __repr__(self) -> str:
        return f"Destination(url={self.url!r}, caller={self.caller!r}, called={self.called!r})"


class CallResult(msgspec.Struct, frozen=True):
    """A finished call, from the caller's end. `turns` are in the order of the caller's utterances."""

    identity: Identity
    ended_by: EndedBy
    close_code: int | None
    turns: list[MeasuredTurn]
    recording: Recording
    frames: int
    late_frames: int  # sent more than a frame late: this machine was too slow to be believed
    worst_late_ms: float
    underruns: int
    partial_frames: int
    clears: int
    cleared_ms: float
    problems: list[str]
    problem_count: int


async def place_call(
    session: aiohttp.ClientSession,
    destination: Destination,
    caller: Caller,
    *,
    timeout_s: float = 300.0,
    observe: Callable[[Line], None] | None = None,
) -> CallResult:
    """Ring, hold the conversation in real time, hang up. Raises CallFailed, ProtocolError.

    `observe` is called after each frame (synchronously; keep it short): to show a call while it runs.
    """
    identity = Identity.new(destination.account_sid)
    target = await _target(session, destination, identity)
    line = Line(identity, target.parameters, caller)
    headers = signature_headers(target.url, {}, destination.auth_token)
    return await hold(session, target.url, line, headers, timeout_s=timeout_s, observe=observe)


async def hold(
    session: aiohttp.ClientSession,
    url: str,
    line: Line,
    headers: dict[str, str],
    *,
    timeout_s: float,
    observe: Callable[[Line], None] | None = None,
) -> CallResult:
    """The media stream of a call, in real time, until one side ends it; cancelled, it stops in good order. Raises
    CallFailed."""
    try:
        socket = await session.ws_connect(
            url, headers=headers, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S)
        )
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CallFailed(f"cannot open {url}: {_reason(error)}") from error
    async with socket:
        return await _Run(socket, line, observe).run(timeout_s)


async def _target(session: aiohttp.ClientSession, destination: Destination, identity: Identity) -> StreamTarget:
    url = destination.url
    if url.startswith(("ws://", "wss://")):
        parameters = {"agent": destination.agent} if destination.agent else {}
        return StreamTarget(url, {**parameters, "from": destination.caller, "to": destination.called})
    if not url.startswith(("http://", "https://")):
        raise CallFailed(f"{url!r} is not an address: expected http://, https://, ws:// or wss://")
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    webhook = f"{scheme}://{host}{slash}{path}" if path else f"{scheme}://{host}{VOICE_WEBHOOK_PATH}"
    if destination.agent:
        webhook += f"{'&' if '?' in webhook else '?'}agent={destination.agent}"
    return await fetch_stream(
        session,
        webhook,
        identity,
        caller=destination.caller,
        called=destination.called,
        auth_token=destination.auth_token,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the server answered {error.status} instead of 101"
    return str(error) or "timed out"


class _Run:
    """One call in progress: a reader and a clock that share the line."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, line: Line, observe: Callable[[Line], None] | None
    ) -> None:
        self._socket = socket
        self._line = line
        self._observe = observe
        self._late_frames = 0
        self._worst_late_s = 0.0

    async def run(self, timeout_s: float) -> CallResult:
        ended_by = EndedBy.CALLER
        reader: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(self._line.open())
                reader = asyncio.create_task(self._read(), name="carrier-reader")
                await self._clock(reader)
                if not self._line.hung_up:
                    ended_by = EndedBy.SERVER
        except TimeoutError:
            ended_by = EndedBy.TIMEOUT
        except (ConnectionError, aiohttp.ClientError):
            ended_by = EndedBy.SERVER
        finally:
            await self._close(reader)
        return self._result(ended_by)

    async def _close(self, reader: asyncio.Task[None] | None) -> None:
        if not self._socket.closed:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._send(self._line.hang_up())
            except (ConnectionError, aiohttp.ClientError, TimeoutError) as error:
                self._line.note(f"hanging up: {_reason(error)}")
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled() and (broken := reader.exception()) is not None:
                self._line.note(f"the line broke: {broken}")
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                self._line.note(f"the server sent a {message.type.name} message; Twilio takes text only")
                continue
            await self._send(self._line.receive(message.data))

    async def _clock(self, reader: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time()
        while not (self._line.hung_up or reader.done()):
            await self._send(self._line.tick())
            if self._observe is not None:
                self._observe(self._line)
            deadline += FRAME_MS / 1000
            ahead = deadline - loop.time()
            if ahead > 0:
                await asyncio.sleep(ahead)
            elif -ahead > FRAME_MS / 1000:
                self._late_frames += 1
            self._worst_late_s = max(self._worst_late_s, -ahead)

    async def _send(self, messages: list[str]) -> None:
        for message in messages:
            await self._socket.send_str(message)

    def _result(self, ended_by: EndedBy) -> CallResult:
        line = self._line
        playback = line.playback
        return CallResult(
            identity=line.identity,
            ended_by=ended_by,
            close_code=self._socket.close_code,
            turns=measure_turns(line.caller.utterances, line.recording.heard_pcm()),
            recording=line.recording,
            frames=line.frames,
            late_frames=self._late_frames,
            worst_late_ms=round(self._worst_late_s * 1000, 1),
            underruns=playback.underruns,
            partial_frames=playback.partial_frames,
            clears=playback.clears,
            cleared_ms=playback.cleared_bytes / 8,
            problems=line.problems,
            problem_count=line.problem_count,
        )
