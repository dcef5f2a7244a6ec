"""One call as the carrier runs it: protocol, play-out buffer, caller and recording in step, sans I/O.

Whoever owns the socket passes in what arrives and calls `tick` every 20 ms; both return the messages to
send. The order of a tick is Twilio's: play, echo the marks that were reached, send the caller's audio.
"""

from __future__ import annotations

from pipelines.errors import ProtocolError
from voicecore.phone.caller import Caller
from voicecore.phone.dialect import Encoder, Identity, ServerClear, ServerMark, ServerMedia, parse
from voicecore.phone.playback import Playback
from voicecore.phone.recording import Recording

MAX_PROBLEMS = 50  # kept for the report; the rest is counted


class Line:
    """Carrier and caller of one call."""

    def __init__(self, identity: Identity, parameters: dict[str, str], caller: Caller) -> None:
        self.identity = identity
        self.caller = caller
        self.playback = Playback()
        self.recording = Recording()
        self.hung_up = False
        self.problems: list[str] = []
        self.problem_count = 0
        self.frames = 0
        self.messages_heard = 0
        self._parameters = parameters
        self._encoder = Encoder(identity)

    def open(self) -> list[str]:
        """The two messages that every stream begins with."""
        return [self._encoder.connected(), self._encoder.start(self._parameters)]

    def receive(self, message: str | bytes) -> list[str]:
        """One text message of the server; a wrong one is noted, as in Twilio's debugger, and ignored."""
        self.messages_heard += 1
        try:
            parsed = parse(message, self.identity.stream_sid)
        except ProtocolError as error:
            self.note(error.message)
            return []
        marks: tuple[str, ...] = ()
        match parsed:
            case ServerMedia():
                self.playback.feed(parsed.media.payload)
            case ServerMark():
                marks = self.playback.mark(parsed.mark.name)
            case ServerClear():
                marks = self.playback.clear()
        return [self._encoder.mark(name) for name in marks]

    def note(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def tick(self) -> list[str]:
        """20 ms pass. Empty once the caller has hung up."""
        if self.hung_up:
            return []
        heard, marks = self.playback.tick()
        saying = self.caller.next(heard)
        messages = [self._encoder.mark(name) for name in marks]
        if saying is None:
            return messages + self.hang_up()
        self.recording.add(saying.audio, heard)
        messages.append(self._encoder.media(self.frames, saying.payload))
        self.frames += 1
        return messages

    def dtmf(self, digit: str) -> list[str]:
        """The caller presses a key: 0-9, *, #, A-D."""
        return [self._encoder.dtmf(digit)]

    def hang_up(self) -> list[str]:
        """The caller is gone: the last message of the stream."""
        if self.hung_up:
            return []
        self.hung_up = True
        return [self._encoder.stop()]
