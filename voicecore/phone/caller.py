"""A caller: says the next thing when the agent has finished, may barge in, hangs up at the end.

Two rules. The caller knows only what is heard: every decision follows from the audio of the line, never
from the protocol. The caller never waits for ever: each wait has a deadline, after which the next thing is
said anyway. Sans I/O and without a clock: one `next` is 20 ms.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from voicecore.phone.clips import Clip
from voicecore.phone.dialect import FRAME_MS, encode_payload
from voicecore.phone.levels import Span, is_audible
from voicecore.phone.noise import Noise
from voicecore.phone.playback import FRAME_BYTES, SILENT_FRAME

SILENT_PAYLOAD = encode_payload(SILENT_FRAME)


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """How a caller takes turns."""

    answer_pause_ms: int = 700  # this much silence after an audible answer: the agent has finished
    greeting_timeout_ms: int = 6000  # no greeting until then: speaks anyway; 0: does not wait for one
    answer_timeout_ms: int = 10_000  # nothing audible until then: not answered, goes on
    answer_limit_ms: int = 45_000  # an agent that does not stop talking is talked over
    barge_in_ms: int | None = None  # speaks this long after an answer (not the greeting) becomes audible


class Saying(NamedTuple):
    """20 ms of the caller's side, also in base64."""

    audio: bytes
    payload: str


class State(StrEnum):
    LISTENING = "listening"
    SPEAKING = "speaking"
    DONE = "done"


_SILENCE = Saying(SILENT_FRAME, SILENT_PAYLOAD)


class Caller:
    """The near end of one call: give it what is heard, get what is said."""

    def __init__(self, clips: tuple[Clip, ...], manners: Manners, noise: Noise | None = None) -> None:
        self._clips = clips
        self._manners = manners
        self._noise = noise
        self._state = State.LISTENING
        self._tick = 0
        self._spoken = 0  # clips begun
        self._frame = 0  # of the clip being spoken
        self._listening_since = 0
        self._audible_since: int | None = None
        self._audible_last = 0
        self.utterances: list[Span] = []

    @property
    def state(self) -> State:
        return self._state

    @property
    def begun(self) -> int:
        """How many utterances were begun so far."""
        return self._spoken

    def next(self, heard: bytes) -> Saying | None:
        """`heard`: 160 bytes of mu-law that sound now. None: hangs up."""
        if self._state is State.LISTENING:
            self._listen(heard)
            if self._wants_to_speak():
                self._begin()
        saying = self._say()
        self._tick += 1
        if saying is None or self._noise is None:
            return saying
        noisy = self._noise.mix(saying.audio)
        return Saying(noisy, encode_payload(noisy))

    def _listen(self, heard: bytes) -> None:
        if heard != SILENT_FRAME and is_audible(heard):
            self._audible_last = self._tick
            if self._audible_since is None:
                self._audible_since = self._tick

    def _wants_to_speak(self) -> bool:
        manners = self._manners
        greeting = self._spoken == 0
        if self._audible_since is None:
            timeout_ms = manners.greeting_timeout_ms if greeting else manners.answer_timeout_ms
            return self._since_ms(self._listening_since) >= timeout_ms
        talking_ms = self._since_ms(self._audible_since)
        if manners.barge_in_ms is not None and not greeting and self._spoken < len(self._clips):
            return talking_ms >= manners.barge_in_ms
        return self._since_ms(self._audible_last) >= manners.answer_pause_ms or talking_ms >= manners.answer_limit_ms

    def _since_ms(self, tick: int) -> int:
        return (self._tick - tick) * FRAME_MS

    def _begin(self) -> None:
        if self._spoken == len(self._clips):
            self._state = State.DONE
            return
        clip = self._clips[self._spoken]
        start = self._tick * FRAME_BYTES
        self.utterances.append((start + clip.first_audible, start + clip.last_audible))
        self._spoken += 1
        self._frame = 0
        self._state = State.SPEAKING

    def _say(self) -> Saying | None:
        if self._state is State.DONE:
            return None
        if self._state is State.LISTENING:
            return _SILENCE
        clip = self._clips[self._spoken - 1]
        saying = Saying(clip.frames[self._frame], clip.payloads[self._frame])
        self._frame += 1
        if self._frame == len(clip.frames):
            self._state = State.LISTENING
            self._listening_since = self._tick + 1
            self._audible_since = None
        return saying
