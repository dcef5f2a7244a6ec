"""One media connection from its first byte to its last: dialect in front, conversation behind.

Nothing is allocated for a call before the peer has proven who it is and started a stream. It decides what
a peer's mistakes cost: most are counted and survived, since a caller is on the line.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from functools import partial

from pipelines.conversation import Conversation
from pipelines.errors import AuthenticationError, MediaTimeout, ProtocolError, StageError, VoicecoreError
from pipelines.events import EndReason
from voicecore.calling import (
    CLOSE_CODES,
    Announcement,
    Ticket,
    announced_by_start,
    announced_with_token,
)
from voicecore.hearing import Hearing
from voicecore.host import Host
from voicecore.listening import ListeningPeer
from voicecore.outgoing import Outgoing
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
from voicecore.troubles import Troubles

STRIKES = 3  # bad messages before a stream starts: whoever this is, it is no carrier
BAD_IN_ROW = 50  # bad messages in a row (one second) that end a running call
EARLY_AUDIO_BYTES = 370_000  # kept while a call is prepared: 10 s of the widest format
EARLY_AUDIO_OVERHEAD = 100  # bytes that any message costs, also an empty one


class Phase(Enum):
    WAITING = auto()  # nothing proven, nothing allocated
    PREPARING = auto()
    TALKING = auto()
    OVER = auto()


class CallSession:
    """Peer of a socket; what it hears goes to a conversation, whose outlet is `outgoing`."""

    def __init__(self, host: Host, socket: MediaSocket, dialect: Dialect, transport: str, ticket: Ticket) -> None:
        self._host = host
        self._socket = socket
        self._dialect = dialect
        self._receive = dialect.receive
        self._transport = transport
        self._ticket = ticket
        self._loop = asyncio.get_running_loop()
        self._phase = Phase.WAITING
        self.call_id = ""  # of the call's row, once there is one
        self._announced: Announcement | Authenticated | None = None
        self._conversation: Conversation | None = None
        self._hearing = self._new_hearing()
        self._outgoing = Outgoing(socket, dialect)
        self._early_bytes = 0
        self._connected = True
        self._busy = False  # `run` is under way
        self._troubles = Troubles()
        self._bad_in_row = 0
        self._frames_seen = 0
        self._end: EndReason | None = None  # decided before the conversation could be told
        self._leaving = False  # the carrier is about to take the caller to somebody else
        self._timer = self._loop.call_later(host.media.start_timeout_s, self._never_started)

    @property
    def running(self) -> bool:
        return self._phase is not Phase.OVER

    # --- peer of the socket -------------------------------------------------------------------------

    def message(self, data: bytes) -> None:
        try:
            inbound = self._receive(data)
        except VoicecoreError as error:
            self._bad(error)
            return
        if self._bad_in_row and self._phase is not Phase.WAITING:
            self._bad_in_row = 0
        if type(inbound) is not Audio:
            self._handle(inbound)
        elif self._conversation is not None:
            self._hearing.frame(inbound)
        else:
            self._early(inbound)

    def _early(self, audio: Audio) -> None:
        """Audio before the conversation is there: it is kept, within limits."""
        if self._phase is Phase.PREPARING:
            self._early_bytes += len(audio.payload) + EARLY_AUDIO_OVERHEAD
            if self._early_bytes <= EARLY_AUDIO_BYTES:
                self._hearing.frame(audio)
        elif self._phase is Phase.WAITING:
            self._bad(ProtocolError("media before the stream was started or authenticated"))

    def _handle(self, inbound: Inbound) -> None:
        if type(inbound) is MarkReturned:  # says nothing of the audio that waits
            if self._conversation is not None:
                self._conversation.mark_returned(inbound.name)
        elif type(inbound) is Started:
            self._started(inbound)
        elif type(inbound) is Authenticated:
            self._begin(inbound)
        elif type(inbound) is Dtmf:
            if self._conversation is not None:
                self._hearing.release()
                self._conversation.dtmf(inbound.digit)
        elif type(inbound) is Stopped:
            self.end(EndReason.TRANSFERRED if self._leaving else EndReason.CALLER_HANGUP)
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
        self.end(EndReason.TRANSFERRED if self._leaving else EndReason.CONNECTION_LOST)
        if self._phase is Phase.WAITING:
            self._phase = Phase.OVER
        self._connected = False
        self._leave()

    # --- the call -----------------------------------------------------------------------------------

    def end(self, reason: EndReason) -> None:
        """End the call; the first reason stands."""
        self._hearing.release()
        if self._end is None:
            self._end = reason
        if self._conversation is not None:
            self._conversation.end(reason)

    def say_goodbye(self, reason: EndReason) -> bool:
        """End it after a closing sentence. False: it does not talk."""
        if self._conversation is not None:
            self._conversation.say_goodbye(reason)
        return self._conversation is not None

    def leave(self, leaving: bool) -> bool:
        """Is it a transfer when the stream ends? False: it does not talk, or somebody has said so before."""
        changed = self._leaving is not leaving
        self._leaving = leaving
        return changed and self._phase is Phase.TALKING

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
            if announcement is None:
                return
            self._outgoing.send_if(self._dialect.connected(announcement.call_sid))
            line = await self._host.prepare(announcement, self._outgoing)
        except VoicecoreError as error:
            self._refuse(error)
            return
        except BaseException:
            self._refuse(StageError("the call could not be prepared", stage="call", provider="server"))
            raise
        self.call_id = line.call_id
        self._outgoing.overheard = partial(self._host.live.said, line.call_id)
        reason = EndReason.PIPELINE_FAILED
        try:
            self._talk(line.conversation)
            reason = await line.run()
        finally:
            self._phase = Phase.OVER
            self._timer.cancel()
            self._socket.close(CLOSE_CODES.get(reason, 1000), reason.value)
            self._host.live.over(line.call_id)
            health = self._troubles.health(
                line.conversation,
                self._hearing.timeline,
                messages_out=self._outgoing.messages,
                worst_backlog_bytes=self._socket.worst_backlog_bytes,
            )
            await line.close(reason, health)

    async def _announcement(self) -> Announcement | None:
        """None: it is no call, but somebody who listens to one."""
        announced = self._announced
        if isinstance(announced, Announcement):
            return announced
        assert announced is not None
        who = await self._host.authenticate(announced.token)
        call_id = await self._host.overheard(who, self._ticket.call_sid)
        if not call_id:
            return announced_with_token(announced, self._ticket, self._transport, who.organization_uid)
        if self._connected:
            ListeningPeer(self._socket, self._dialect, self._host.live, call_id).begin(self._ticket.call_sid)
        self._phase, self._connected = Phase.OVER, False  # the socket is not ours any more
        self._timer.cancel()
        return None

    def _talk(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._phase = Phase.TALKING
        conversation.clock.begin(self._loop.time() * 1000.0)
        self._hearing.begin(conversation)
        if self._end is not None:
            conversation.end(self._end)
        self._timer.cancel()
        self._timer = self._loop.call_later(self._host.media.idle_timeout_s, self._check_idle)

    def _refuse(self, error: VoicecoreError) -> None:
        self._phase = Phase.OVER
        self._note(error)
        self._outgoing.send_if(self._dialect.error(error.code, error.message))
        self._socket.close(error.close_code, error.message)

    # --- what comes in ------------------------------------------------------------------------------

    def _started(self, started: Started) -> None:
        ticket = self._ticket
        announcement = announced_by_start(started, ticket, self._transport, self._dialect.outbound)
        if ticket.call_sid and ticket.call_sid != started.call_sid:
            self._refuse(AuthenticationError("start.callSid is not the call that the token was made for"))
            return
        self._begin(announcement)

    def _new_hearing(self) -> Hearing:
        failed = partial(self.end, EndReason.PIPELINE_FAILED)
        return Hearing(self._dialect.outbound, self._loop.time, self._host.rota, failed)

    def _begin(self, announced: Announcement | Authenticated) -> None:
        self._announced = announced
        self._hearing = self._new_hearing()  # only now its format is certain
        self._phase = Phase.PREPARING
        self._busy = True
        self._host.start(self)

    def _bad(self, error: VoicecoreError) -> None:
        self._note(error)
        self._bad_in_row += 1
        if self._phase is Phase.WAITING:
            self._outgoing.send_if(self._dialect.error(error.code, error.message))
            fatal = self._bad_in_row >= STRIKES or error.code == "audio_format"
        else:
            fatal = self._bad_in_row >= BAD_IN_ROW
        if fatal:
            self.end(EndReason.PROTOCOL_ERROR)
            self._socket.close(error.close_code, error.message)

    def _note(self, error: VoicecoreError) -> None:
        self._troubles.note(error, self._call_sid(), self._conversation)

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
        self._hearing.release()
        frames = self._hearing.timeline.frames
        if frames == self._frames_seen:
            self._note(MediaTimeout(f"no audio for {self._host.media.idle_timeout_s} s"))
            self.end(EndReason.IDLE_TIMEOUT)
            return
        self._frames_seen = frames
        self._timer = self._loop.call_later(self._host.media.idle_timeout_s, self._check_idle)
