"""A real server in this process, and a carrier's end of a socket that says exactly what it is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import json
import secrets
import socket as sockets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from config.schema import AdmissionSettings, MediaSettings, PipelineSettings, ServerSettings, StageSettings
from pipelines.errors import NotFound
from pipelines.events import EventKind
from pipelines.mouth import FIRST_MARK
from voicecore.app import RECORDINGS, Server
from voicecore.domain.calls import CallStatus
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.carrier import CallResult, Destination, place_call
from voicecore.phone.clips import Clip, make_clip, shipped
from voicecore.services.calls import CallDetail
from voicecore.services.operator import Operator

T = TypeVar("T")

SILENT = b"\xff" * 160
QUICK = Manners(answer_pause_ms=200, greeting_timeout_ms=2000, answer_timeout_ms=3000)
ANSWERS = ("We open at nine.", "Until six o'clock.", "You are welcome.")
TEXTS = ("when do you open", "and how long", "thank you")
SEED = """
organizations:
  - id: org_demo
    name: Demo
    users:
      - {email: ada@demo.example, password: ada-password, roles: [admin, user]}
      - {email: cleo@demo.example, password: cleo-password, roles: [user], permissions: [appointments.view]}
    agents:
      - id: reception
        name: Reception
        config: {greeting: "Welcome to {company_name}.", turn: &quick {base_wait_ms: 200, max_wait_ms: 300}}
      - {id: thinker, name: Thinker, config: {greeting: "", pipeline: thinking, turn: *quick}}
      - {id: lecturer, name: Lecturer, config: {greeting: "Let me tell you a long story.", pipeline: talking}}
      - {id: talker, name: Talker, config: {greeting: "", pipeline: talking, turn: *quick}}
    phone_numbers: [{number: "+15550100000", agent: reception}]
  - id: org_other
    name: Other
    users: [{email: bob@other.example, password: bob-password, roles: [admin]}]
    agents: [{id: elsewhere, name: Elsewhere}]
"""


def pipeline(*, first_token_ms: float = 30, ms_per_character: float = 20, texts: Iterable[str] = ANSWERS) -> Any:
    """Real voice activity detection; engines that answer at once."""

    def simulated(stage: str, **options: object) -> StageSettings:
        return StageSettings(provider="simulated", options={stage: options})

    return PipelineSettings(
        vad=StageSettings(provider="webrtc"),
        stt=simulated("stt", finish_ms=10, texts=list(TEXTS)),
        llm=simulated("llm", first_token_ms=first_token_ms, tokens_per_s=1000, texts=list(texts)),
        tts=simulated("tts", first_audio_ms=10, realtime_factor=100, ms_per_character=ms_per_character),
    )


PIPELINES = {
    "quick": pipeline(),
    "thinking": pipeline(first_token_ms=60_000),
    "talking": pipeline(ms_per_character=1000),  # answers of a quarter of a minute
}
# A busy test machine is no reason to refuse a call here.
ADMISSION = AdmissionSettings(max_loop_lag_ms=60_000, calls_per_second=10_000, burst_calls=10_000)
MEDIA = MediaSettings(start_timeout_s=2.0, idle_timeout_s=5.0, send_timeout_s=0.5)


def settings(data: str, media: MediaSettings = MEDIA, **changes: Any) -> ServerSettings:
    usual = {"port": 0, "pipeline": "quick", "pipelines": PIPELINES, "admission": ADMISSION, "limits": "relaxed"}
    return ServerSettings(**{**usual, "data": data, "media": media, **changes})


async def eventually(probe: Callable[[], T | Awaitable[T]], timeout_s: float = 8.0) -> T:
    """The first true result; looked for every few milliseconds. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        while True:
            result = probe()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            tick = asyncio.Event()
            loop.call_later(0.005, tick.set)
            await tick.wait()


def speech(duration_ms: int = 800) -> list[bytes]:
    """Frames of somebody who speaks."""
    return list(shipped()[0].frames[: duration_ms // 20])


def utterance(duration_ms: int = 800) -> list[bytes]:
    """Speech between the silences that a listener needs."""
    return [*[SILENT] * 20, *speech(duration_ms), *[SILENT] * 40]


def clip(duration_ms: int = 800) -> Clip:
    return make_clip(b"".join(speech(duration_ms)), "hello")


class House:
    """The server under test, what it logged, and where its records are."""

    def __init__(self, server: Server, office: Operator, logged: list[Any]) -> None:
        self.server = server
        self.office = office
        self.logged = logged

    @property
    def recordings(self) -> Path:
        return Path(self.server.settings.data) / RECORDINGS

    @property
    def ws(self) -> str:
        return self.server.url.replace("http", "ws")

    async def find(self, sid: str) -> CallDetail | None:
        """The record of a call, however far it is."""
        try:
            return await self.office.find(sid)
        except NotFound:
            return None

    async def ended(self, sid: str) -> CallDetail:
        """The record of a call, once it is closed."""

        async def closed() -> CallDetail | None:
            detail = await self.find(sid)
            return detail if detail is not None and detail.call.status is CallStatus.ENDED else None

        detail = await eventually(closed)
        assert detail is not None
        return detail

    async def talking(self, sid: str) -> None:
        """Wait until somebody listens."""

        async def answered() -> bool:
            detail = await self.find(sid)
            return detail is not None and detail.call.answered_at is not None

        await eventually(answered)

    async def happened(self, sid: str, kind: EventKind, times: int = 1) -> None:
        """Wait for an event in a running call."""

        async def there() -> bool:
            detail = await self.find(sid)
            return detail is not None and sum(event.kind == kind for event in detail.events) >= times

        await eventually(there)

    async def idle(self) -> None:
        """Wait until no call is left."""
        await eventually(lambda: self.server.gateway.active_calls == 0)

    def problems(self, sid: str | None = None) -> list[str]:
        """Codes of what was logged about bad messages."""
        found = [entry for entry in self.logged if entry["event"] == "media_problem"]
        return [entry["code"] for entry in found if sid is None or entry["call_sid"] == sid]

    def log_names(self) -> list[str]:
        return [entry["event"] for entry in self.logged]

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.server.url + path) as response:
            return response.status, await response.text()

    async def token(self, who: str = "ada@demo.example", kind: str = "access_token") -> str:
        body = {"username": who, "password": who.partition("@")[0] + "-password"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.server.url + "/api/v1/auth/login", json=body) as response,
        ):
            return str((await response.json())[kind])

    async def call(self, *, turns: int = 1, manners: Manners = QUICK, **destination: str) -> CallResult:
        """A faithful carrier with a caller who waits for the answers."""
        wanted = Destination(**{"url": self.server.url, **destination})
        async with aiohttp.ClientSession() as session:
            return await place_call(session, wanted, Caller((clip(),) * turns, manners), timeout_s=20)

    @contextlib.asynccontextmanager
    async def socket(self, path: str = "/twilio/media", **options: Any) -> AsyncIterator[RawSocket]:
        quiet = {"compression": None, "ping_interval": None, "close_timeout": 1, "proxy": None, "max_queue": None}
        async with connect(self.ws + path, **{**quiet, **options}) as connection:
            yield RawSocket(connection)


class RawSocket:
    """One media socket. Everything it waits for is bounded."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sid = "CA" + secrets.token_hex(16)
        self._chunk = 0

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def start(self, agent: str = "reception", *, codec: str = "audio/x-mulaw", sid: str = "") -> None:
        """`connected` and `start`, as a carrier sends them."""
        await self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.send(start_message(sid or self.sid, agent, codec))

    async def greeted(self, house: House) -> None:
        """Wait until the whole greeting was heard, and leave nothing of it unread."""
        await house.happened(self.sid, EventKind.REPLY_FINISHED)
        await self.marks()

    async def media(self, frames: Iterable[bytes]) -> None:
        """Audio in a burst: call time counts samples, so nobody has to wait for it."""
        for frame in frames:
            self._chunk += 1
            await self.send(media_message(frame, self._chunk))

    async def say(self, duration_ms: int = 800) -> None:
        """A breath, speech, and the silence after which the turn is over."""
        await self.media(utterance(duration_ms))

    async def until(self, event: str, timeout_s: float = 8.0) -> dict[str, Any]:
        """The next message of this kind; others are skipped. Raises TimeoutError, ConnectionClosed."""
        async with asyncio.timeout(timeout_s):
            while True:
                message: dict[str, Any] = json.loads(await self.connection.recv())
                if message["event"] == event and message.get("mark") != {"name": FIRST_MARK}:
                    return message

    async def marks(self) -> list[dict[str, Any]]:
        """All marks of a reply that is over by the clock: they were sent a while ago. Raises ConnectionClosed."""
        found: list[dict[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            while True:
                found.append(await self.until("mark", timeout_s=0.05))
        return found

    async def closed(self, timeout_s: float = 8.0) -> tuple[int | None, str]:
        """Read to the end: close code and reason, (None, "") when the connection was cut."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    await self.connection.recv()
                except ConnectionClosed as end:
                    return (end.rcvd.code, end.rcvd.reason) if end.rcvd is not None else (None, "")

    def reset(self) -> None:
        """TCP reset: what was sent and not yet read is lost for the peer."""
        raw = self.connection.transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.transport.abort()

    async def leave(self, manner: str) -> None:
        """`reset`, `close` or `stop`: the ways in which a carrier is gone."""
        if manner == "reset":
            self.reset()
        elif manner == "close":
            await self.connection.close()
        else:
            await self.send({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": self.sid}})


def start_message(sid: str, agent: str = "reception", codec: str = "audio/x-mulaw") -> dict[str, Any]:
    body = {
        "streamSid": "MZ1",
        "accountSid": "AC1",
        "callSid": sid,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": codec, "sampleRate": 8000, "channels": 1},
        "customParameters": {"agent": agent} if agent else {},
    }
    return {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": body}


def media_message(frame: bytes, chunk: int | str) -> dict[str, Any]:
    media = {"track": "inbound", "chunk": str(chunk), "timestamp": "0", "payload": base64.b64encode(frame).decode()}
    return {"event": "media", "streamSid": "MZ1", "media": media}


def auth_message(token: str) -> dict[str, Any]:
    """The first frame of the plain socket."""
    return {"event": "auth", "token": token}


def events(detail: CallDetail, kind: EventKind) -> list[dict[str, Any]]:
    """What the events of one kind carry."""
    return [event.data for event in detail.events if event.kind == kind]


def error_codes(detail: CallDetail) -> list[str]:
    return [data["code"] for data in events(detail, EventKind.PROTOCOL_ERROR)]


def changed(media: MediaSettings = MEDIA, **changes: Any) -> MediaSettings:
    return msgspec.structs.replace(media, **changes)


Serve = Callable[..., Awaitable[House]]  # makes a server with settings of the test's own
