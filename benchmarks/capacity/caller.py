"""One telephone call as the carrier and its caller behave: numbered frames out, a playout buffer and marks in.

Sans I/O except for the socket it is given; time is an argument, in milliseconds of one monotonic clock. What it
measures goes to a `Figures` shared by all calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from random import Random

import msgspec

from benchmarks.capacity.figures import BLOCK_FRAMES, Answer, Figures
from benchmarks.capacity.speech import SILENCE, Utterance

FRAME_MS = 20
GAP_MS = 40.0  # a hole in an answer that a listener notices
ANSWER_OVER_MS = 700.0  # silence of the agent after which the caller takes the floor, at the earliest
THINK_MS = (700.0, 1100.0)
GREETING_WAIT_MS = 4000.0  # an agent that says nothing by then does not greet
ANSWER_WAIT_MS = 6000.0  # an utterance without an answer by then was missed
BARGE_IN_AFTER_MS = 900.0  # of the answer


class _Payload(msgspec.Struct, gc=False):
    payload: msgspec.Raw


class _Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    media: _Payload


class _Name(msgspec.Struct, gc=False):
    name: str


class _Mark(msgspec.Struct, tag_field="event", tag="mark", gc=False):
    mark: _Name


class _Clear(msgspec.Struct, tag_field="event", tag="clear"):
    pass


_decode = msgspec.json.Decoder(_Media | _Mark | _Clear).decode
_SILENT_START = b"//////////"  # base64 of 0xff, mu-law's zero


class Phase(Enum):
    GREETED = auto()  # waits for the greeting and its end
    TALKING = auto()  # says an utterance
    WAITING = auto()  # has said it, no answer yet
    HEARING = auto()  # hears the answer
    INTERRUPTING = auto()  # talks over it


def first_utterance(number: int, script_length: int) -> int:
    """Where in the script a call begins."""
    return Random(number).randrange(script_length)


class Caller:
    """One call. `send` takes whole text messages; `frame` is to be called every 20 ms until `hang_up`."""

    def __init__(
        self,
        number: int,
        script: list[Utterance],
        figures: Figures,
        send: Callable[[bytes], None],
        barge_in: bool,
        place: int | None = None,
    ) -> None:
        """`place`: every utterance waits until so many frames of a block of our voice detector have passed."""
        self._random = Random(number)
        self._script = script
        self._next = self._first = first_utterance(number, len(script))
        self._figures = figures
        self._send = send
        self._barge_in = barge_in
        self._sid = f"MZ{number:032x}".encode()
        self._head = b'{"event":"media","sequenceNumber":"'
        self._middle = b'","streamSid":"' + self._sid + b'","media":{"track":"inbound","chunk":"'
        self._sequence = 1
        self._chunk = 0
        self._place = place
        self._lead = 0  # frames before the utterance
        self._phase = Phase.GREETED
        self._since_ms = 0.0
        self._think_ms = 0.0
        self._utterance: Utterance | None = None
        self._position = 0
        self._buffer_end_ms = 0.0  # the carrier plays until then
        self._heard_any = False
        self._answer: Answer | None = None
        self._marks: deque[tuple[float, bytes]] = deque()
        self._interrupted_ms = 0.0  # evidence for the interruption is complete
        self._last_media_ms = 0.0

    def open(self, call_sid: str, parameters: dict[str, str], now_ms: float) -> None:
        self._since_ms = now_ms
        body = {
            "streamSid": self._sid.decode(),
            "accountSid": "AC" + "0" * 32,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        }
        self._send(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self._send(
            msgspec.json.encode(
                {"event": "start", "sequenceNumber": "1", "streamSid": self._sid.decode(), "start": body}
            )
        )

    def hang_up(self) -> None:
        self._figures.finish(self._answer)
        self._answer = None
        self._sequence += 1
        self._send(
            b'{"event":"stop","sequenceNumber":"%d","streamSid":"%b","stop":{"accountSid":"","callSid":""}}'
            % (self._sequence, self._sid)
        )

    # --- every 20 ms --------------------------------------------------------------------------------

    def frame(self, due_ms: float) -> None:
        """The frame whose last sample was spoken at `due_ms`, the deadline of the clock."""
        utterance = self._utterance
        if utterance is None:
            payload = SILENCE
        else:
            payload = utterance.payloads[self._position]
            self._position += 1
        self._sequence += 1
        self._chunk += 1
        self._send(
            self._head + b"%d" % self._sequence + self._middle + b"%d" % self._chunk
            + b'","timestamp":"%d","payload":"' % (self._chunk * FRAME_MS) + payload + b'"}}'
        )  # fmt: skip
        if self._marks and self._marks[0][0] <= due_ms:
            self._echo(self._marks.popleft()[1])
        if utterance is not None:
            if self._position == len(utterance.payloads):
                self._said(utterance, due_ms)
        else:
            self._listen(due_ms)

    def _said(self, utterance: Utterance, due_ms: float) -> None:
        began_ms = due_ms - utterance.duration_ms
        self._utterance = None
        self._figures.utterances += 1
        self._phase = Phase.WAITING
        self._since_ms = due_ms
        self._answer = Answer(
            utterance=utterance.name,
            turn=self._next - self._first - 1,
            lead=self._lead,
            speech_end_ms=began_ms + utterance.speech_end_ms,
            voiced_end_ms=began_ms + utterance.voiced_end_ms,
        )

    def _listen(self, now_ms: float) -> None:
        phase = self._phase
        if phase is Phase.WAITING:
            if now_ms - self._since_ms > ANSWER_WAIT_MS:
                self._figures.missed_turns += 1
                self._speak(now_ms, Phase.TALKING)
        elif phase is Phase.HEARING:
            if self._barge_in and self._answer is not None and now_ms - self._answer.first_ms > BARGE_IN_AFTER_MS:
                self._speak(now_ms, Phase.INTERRUPTING)
            elif now_ms - self._buffer_end_ms > self._think_ms and self._in_place():
                self._figures.finish(self._answer)
                self._answer = None
                self._speak(now_ms, Phase.TALKING)
        elif self._greeting_is_over(now_ms) and self._in_place():
            self._speak(now_ms, Phase.TALKING)

    def _greeting_is_over(self, now_ms: float) -> bool:
        if self._heard_any:
            return now_ms - self._buffer_end_ms > ANSWER_OVER_MS
        return now_ms - self._since_ms > GREETING_WAIT_MS

    def _in_place(self) -> bool:
        return self._place is None or self._chunk % BLOCK_FRAMES == self._place

    def _speak(self, now_ms: float, phase: Phase) -> None:
        self._lead = self._chunk
        self._utterance = self._script[self._next % len(self._script)]
        self._next += 1
        self._position = 0
        self._phase = phase
        self._think_ms = self._random.uniform(*THINK_MS)
        if phase is Phase.INTERRUPTING:
            self._interrupted_ms = now_ms + self._utterance.barge_in_ms
            self._figures.finish(self._answer)
            self._answer = None

    # --- from the server ----------------------------------------------------------------------------

    def receive(self, message: memoryview | bytes, now_ms: float) -> None:
        try:
            parsed = _decode(message)
        except msgspec.DecodeError:
            self._figures.protocol_errors += 1
            return
        if type(parsed) is _Media:
            self._media(parsed.media.payload, now_ms)
        elif type(parsed) is _Mark:
            if self._buffer_end_ms <= now_ms:
                self._echo(parsed.mark.name.encode())
            else:
                self._marks.append((self._buffer_end_ms, parsed.mark.name.encode()))
        else:
            self._cleared(now_ms)

    def _media(self, payload: msgspec.Raw, now_ms: float) -> None:
        raw = memoryview(payload)
        duration_ms = ((len(raw) - 2) * 3 // 4) / 8.0
        figures = self._figures
        figures.media_received += 1
        self._last_media_ms = now_ms
        answer = self._answer
        if self._phase is Phase.WAITING and answer is not None:
            if bytes(raw[1:11]) == _SILENT_START and bytes(raw[-11:-1]).startswith(b"///"):
                return  # leading silence is no answer
            answer.first_ms = now_ms
            self._phase = Phase.HEARING
        elif self._phase is Phase.TALKING:
            figures.premature += 1
        elif answer is not None and self._phase is Phase.HEARING:
            late_ms = now_ms - self._buffer_end_ms
            answer.slack_ms = min(answer.slack_ms, -late_ms)
            if late_ms > GAP_MS:
                answer.gaps += 1
        self._heard_any = True
        self._buffer_end_ms = max(self._buffer_end_ms, now_ms) + duration_ms

    def _cleared(self, now_ms: float) -> None:
        self._figures.clears += 1
        self._buffer_end_ms = now_ms
        marks, self._marks = self._marks, deque()
        for _, name in marks:
            self._echo(name)
        if self._interrupted_ms:
            self._figures.barge_in(max(now_ms, self._last_media_ms) - self._interrupted_ms)
            self._interrupted_ms = 0.0

    def _echo(self, name: bytes) -> None:
        self._sequence += 1
        self._send(
            b'{"event":"mark","sequenceNumber":"%d","streamSid":"%b","mark":{"name":"%b"}}'
            % (self._sequence, self._sid, name)
        )
