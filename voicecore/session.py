"""One media connection from its first byte to its last: dialect in front, conversation behind.

Nothing is allocated for a call before the peer has proven who it is and started a stream. It decides what
a peer's mistakes cost: most are counted and survived, since a caller is on the line.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from enum import Enum, auto
from typing import Protocol

import msgspec
import structlog

from config.schema import MediaSettings
from pipelines.audio import AudioFormat
from pipelines.clock import LATE_MS
from pipelines.conversation import Conversation
from pipelines.errors import AuthenticationError, MediaTimeout, ProtocolError, StageError, VoicecoreError
from pipelines.events import EndReason
from voicecore.domain.accounts import Principal
from voicecore.domain.calls import MediaHealth
from voicecore.holding import Holding, Message
from voicecore.sockets import MediaSocket
from voicecore.transports.messages import (
    Audio,
    Authenticated,
    Dialect,
    Dtmf,
    Inbound,
    MarkReturned,
    Started,
    Stopped,
)
from voicecore.transports.timeline import Placed, Timeline, stretches

log = structlog.get_logger(__name__)

STRIKES = 3  # bad messages before a stream starts: whoever this is, it is no carrier
BAD_IN_ROW = 50  # bad messages in a row (one second) that end a running call
REPORTED_PROBLEMS = 20  # of one call, in its events; all are counted
EARLY_AUDIO_BYTES = 370_000  # kept while a call is prepared: 10 s of the widest format
EARLY_AUDIO_OVERHEAD = 100  # bytes that any message costs, also an empty one


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call when it starts. `organization_uid` "": whoever has the number or agent."""

    transport: str
    call_sid: str
    audio_format: AudioFormat
    agent_id: str = ""
    from_number: str = ""
    to_number: str = ""
    organization_uid: str = ""
    metadata: dict[str, str] = {}
    unsupported: str = ""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What the connection proved before it was accepted: claims of its token, if it had one."""

    call_sid: str = ""
    agent_id: str = ""
    from_number: str = ""
    to_number: str = ""


class Line(Protocol):
    """A call that was prepared: what `Host.prepare` gives."""

    conversation: Conversation

    @property
    def call_id(self) -> str: ...

    async def run(self) -> EndReason: ...

    async def close(self, reason: EndReason, health: MediaHealth) -> None: ...


class Host(Protocol):
    """The gateway, as one session sees it."""

    media: MediaSettings

    async def authenticate(self, token: str) -> Principal: ...

    async def prepare(self, announcement: Announcement, session: CallSession) -> Line: ...

    def start(self, session: CallSession) -> None:
        """Run `session.run()` as a task of the gateway."""
        ...

    def forget(self, session: CallSession) -> None: ...


class Phase(Enum):
    WAITING = auto()  # nothing proven, nothing allocated
    PREPARING = auto()
    TALKING = auto()
    OVER = auto()


class CallSession:
    """Peer of a socket, outlet of a conversation."""

    def __init__(self, host: Host, socket: MediaSocket, dialect: Dialect, transport: str, ticket: Ticket) -> None:
        self._host = host
        self._socket = socket
        self._dialect = dialect
        self._transport = transport
        self._ticket = ticket
        self._phase = Phase.WAITING
        self.call_id = ""  # of the call's row, once there is one
        self._announced: Announcement | Authenticated | None = None
        self._conversation: Conversation | None = None
        self._timeline = Timeline(dialect.outbound)
        self._holding = Holding(dialect.audio_heads, asyncio.get_running_loop().time)
        self._early: deque[Audio] = deque()
        self._early_bytes = 0
        self._connected = True
        self._busy = False  # `run` is under way
        self._problems: Counter[str] = Counter()
        self._bad_in_row = 0
        self._messages_out = 0
        self._frames_seen = 0
        self._end: EndReason | None = None  # decided before the conversation could be told
        self._timer = asyncio.get_running_loop().call_later(host.media.start_timeout_s, self._never_started)

    @property
    def conversation(self) -> Conversation | None:
        """None until the call talks."""
        return self._conversation

    @property
    def running(self) -> bool:
        return self._phase is not Phase.OVER

    # --- peer of the socket -------------------------------------------------------------------------

    def message(self, data: bytes) -> None:
        batch = self._holding.add(data)
        if batch is not None:
            self._catch_up(batch)

    def _catch_up(self, batch: list[Message]) -> None:
        frames: list[Placed] = []
        for data, arrived_ms in batch:
            try:
                inbound = self._dialect.receive(data)
            except VoicecoreError as error:
                self._bad(error)
                continue
            if self._phase is not Phase.WAITING:
                self._bad_in_row = 0
            if type(inbound) is Audio:
                frames += self._audio(inbound, arrived_ms)
            else:
                self._hear(frames)
                frames = []
                self._handle(inbound)
        self._hear(frames)

    def _handle(self, inbound: Inbound) -> None:
        if type(inbound) is MarkReturned:
            if self._conversation is not None:
                self._conversation.mark_returned(inbound.name)
        elif type(inbound) is Started:
            self._started(inbound)
        elif type(inbound) is Authenticated:
            self._begin(inbound)
        elif type(inbound) is Dtmf:
            if self._conversation is not None:
                self._conversation.dtmf(inbound.digit)
        elif type(inbound) is Stopped:
            self.end(EndReason.CALLER_HANGUP)
            if self._phase is Phase.WAITING:
                self._socket.close(1000)

    def broken(self, error: VoicecoreError) -> None:
        self._note(error)
        self.end(EndReason.AUDIO_FORMAT if error.code == "audio_format" else EndReason.PROTOCOL_ERROR)

    def stuck(self) -> None:
        self._note(MediaTimeout(f"the peer took nothing for {self._host.media.send_timeout_s} s"))
        self.end(EndReason.SEND_TIMEOUT)

    def gone(self) -> None:
        self._timer.cancel()
        self.end(EndReason.CONNECTION_LOST)
        if self._phase is Phase.WAITING:
            self._phase = Phase.OVER
        self._connected = False
        self._leave()

    # --- outlet of the conversation -----------------------------------------------------------------

    @property
    def audio_format(self) -> AudioFormat:
        return self._dialect.outbound

    @property
    def has_marks(self) -> bool:
        return self._dialect.has_marks

    def send_audio(self, audio: bytes) -> None:
        self._messages_out += 1
        self._socket.send(self._dialect.audio(audio))

    def send_mark(self, name: str) -> None:
        self._socket.send(self._dialect.mark(name))

    def send_clear(self) -> bool:
        return self._send_if(self._dialect.clear())

    def send_transcript(self, role: str, text: str) -> None:
        self._send_if(self._dialect.transcript(role, text))

    def hang_up(self) -> None:
        self._socket.close(1000)

    def _send_if(self, data: bytes | None) -> bool:
        if data is None:
            return False
        self._socket.send(data)
        return True

    # --- the call -----------------------------------------------------------------------------------

    def end(self, reason: EndReason) -> None:
        """End the call; the first reason stands."""
        self._catch_up(self._holding.release())
        if self._end is None:
            self._end = reason
        if self._conversation is not None:
            self._conversation.end(reason)

    def shut_down(self) -> None:
        """The server stops: the call ends, and so does a connection without one."""
        self.end(EndReason.SERVER_SHUTDOWN)
        if self._phase is Phase.WAITING:
            self._socket.close(1001, EndReason.SERVER_SHUTDOWN.value)

    async def run(self) -> None:
        """From the start of the stream to the end of the call. A task of the gateway."""
        try:
            await self._run()
        finally:
            self._busy = False
            self._leave()

    def _leave(self) -> None:
        """The gateway forgets a connection when its call is recorded and its socket closed."""
        if not self._connected and not self._busy:
            self._host.forget(self)

    async def _run(self) -> None:
        try:
            announcement = await self._announcement()
            self._send_if(self._dialect.connected(announcement.call_sid))
            line = await self._host.prepare(announcement, self)
        except VoicecoreError as error:
            self._refuse(error)
            return
        except BaseException:
            self._refuse(StageError("the call could not be prepared", stage="call", provider="server"))
            raise
        self.call_id = line.call_id
        reason = EndReason.PIPELINE_FAILED
        try:
            self._talk(line.conversation)
            reason = await line.run()
        finally:
            self._phase = Phase.OVER
            self._timer.cancel()
            self._socket.close(_CLOSE_CODES.get(reason, 1000), reason.value)
            await line.close(reason, self._health())

    async def _announcement(self) -> Announcement:
        announced = self._announced
        if isinstance(announced, Announcement):
            return announced
        assert announced is not None
        principal = await self._host.authenticate(announced.token)
        self._timeline = Timeline(announced.audio_format)
        return Announcement(
            transport=self._transport,
            call_sid=self._ticket.call_sid,
            audio_format=announced.audio_format,
            agent_id=announced.agent_id,
            from_number=announced.from_number,
            to_number=announced.to_number,
            organization_uid=principal.organization_uid,
        )

    def _talk(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._phase = Phase.TALKING
        loop = asyncio.get_running_loop()
        conversation.clock.begin(loop.time() * 1000.0)
        self._holding.expect(conversation.inbound)
        self._hear([placed for audio in self._early for placed in self._audio(audio, loop.time() * 1000.0)])
        self._early.clear()
        if self._end is not None:
            conversation.end(self._end)
        self._timer.cancel()
        self._timer = loop.call_later(self._host.media.idle_timeout_s, self._check_idle)

    def _refuse(self, error: VoicecoreError) -> None:
        self._phase = Phase.OVER
        self._note(error)
        self._send_if(self._dialect.error(error.code, error.message))
        self._socket.close(error.close_code, error.message)

    # --- what comes in ------------------------------------------------------------------------------

    def _audio(self, audio: Audio, arrived_ms: float) -> list[Placed]:
        if self._conversation is not None:
            return [(*placed, arrived_ms) for placed in self._timeline.place(audio.payload, audio.chunk)]
        if self._phase is Phase.PREPARING:
            self._early_bytes += len(audio.payload) + EARLY_AUDIO_OVERHEAD
            if self._early_bytes <= EARLY_AUDIO_BYTES:
                self._early.append(audio)
        elif self._phase is Phase.WAITING:
            self._bad(ProtocolError("media before the stream was started or authenticated"))
        return []

    def _hear(self, frames: list[Placed]) -> None:
        conversation = self._conversation
        if frames and conversation is not None:
            for audio, start_ms, arrivals in stretches(frames):
                conversation.feed(audio, start_ms, arrivals)
            self._holding.spare = conversation.spare_frames

    def _started(self, started: Started) -> None:
        ticket = self._ticket
        announcement = Announcement(
            transport=self._transport,
            call_sid=started.call_sid,
            audio_format=self._dialect.outbound,
            agent_id=ticket.agent_id or started.parameters.get("agent", ""),
            from_number=ticket.from_number or started.parameters.get("from", ""),
            to_number=ticket.to_number or started.parameters.get("to", ""),
            metadata=started.parameters,
            unsupported=started.unsupported,
        )
        if ticket.call_sid and ticket.call_sid != started.call_sid:
            self._refuse(AuthenticationError("start.callSid is not the call that the token was made for"))
            return
        self._begin(announcement)

    def _begin(self, announced: Announcement | Authenticated) -> None:
        self._announced = announced
        self._phase = Phase.PREPARING
        self._busy = True
        self._host.start(self)

    def _bad(self, error: VoicecoreError) -> None:
        self._note(error)
        self._bad_in_row += 1
        if self._phase is Phase.WAITING:
            self._send_if(self._dialect.error(error.code, error.message))
            fatal = self._bad_in_row >= STRIKES or error.code == "audio_format"
        else:
            fatal = self._bad_in_row >= BAD_IN_ROW
        if fatal:
            self.end(EndReason.PROTOCOL_ERROR)
            self._socket.close(error.close_code, error.message)

    def _note(self, error: VoicecoreError) -> None:
        self._problems[error.code] += 1
        if self._problems.total() > REPORTED_PROBLEMS:
            return
        log.warning("media_problem", code=error.code, problem=error.message, call_sid=self._call_sid())
        if self._conversation is not None:
            self._conversation.problem(error)

    def _call_sid(self) -> str:
        return self._announced.call_sid if isinstance(self._announced, Announcement) else self._ticket.call_sid

    # --- deadlines ----------------------------------------------------------------------------------

    def _never_started(self) -> None:
        if self._phase is Phase.WAITING:
            error = MediaTimeout(f"no stream was started within {self._host.media.start_timeout_s} s")
            self._note(error)
            self.end(EndReason.START_TIMEOUT)
            self._socket.close(error.close_code, error.message)

    def _check_idle(self) -> None:
        self._catch_up(self._holding.release())
        if self._timeline.frames == self._frames_seen:
            self._note(MediaTimeout(f"no audio for {self._host.media.idle_timeout_s} s"))
            self.end(EndReason.IDLE_TIMEOUT)
            return
        self._frames_seen = self._timeline.frames
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._host.media.idle_timeout_s, self._check_idle)

    def _health(self) -> MediaHealth:
        assert self._conversation is not None
        clock, playout = self._conversation.clock, self._conversation.mouth.playout
        return MediaHealth(
            frames_in=self._timeline.frames,
            messages_out=self._messages_out,
            frames_lost=self._timeline.lost_messages,
            frames_reordered=self._timeline.late_messages,
            frames_late=clock.late_over[0],
            late_over={f"{limit:g}": count for limit, count in zip(LATE_MS, clock.late_over, strict=True) if count},
            worst_late_ms=round(clock.worst_late_ms, 1),
            jitter_ms=round(clock.jitter_ms, 2),
            underruns=playout.underruns,
            stale_bytes=playout.stale_bytes,
            worst_backlog_bytes=self._socket.worst_backlog_bytes,
            worst_loop_lag_ms=round(self._conversation.worst_loop_lag_ms, 1),
            problems=dict(self._problems),
        )


_CLOSE_CODES = {
    EndReason.IDLE_TIMEOUT: 1008,
    EndReason.PROTOCOL_ERROR: 1002,
    EndReason.AUDIO_FORMAT: 1003,
    EndReason.PIPELINE_FAILED: 1011,
    EndReason.SERVER_SHUTDOWN: 1001,
}
