"""A voice in a worker process: the child's half. Takes turns between requests, a sentence of each at a time.

Knows how to queue, cancel and cut; the engine behind `Engine` knows how to speak.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from math import log10
from typing import NoReturn, Protocol

import msgspec

from pipelines.providers._voice_messages import Cancel, Done, Failed, Piece, Request, Speak
from pipelines.providers._voice_shaper import Shaper, WordTrack, level_table
from pipelines.stages import Word
from pipelines.worker_child import Channel

# Only where to take turns, so it may miss an end ("at 5. Then"), but must not make one ("Dr. Smith").
_SENTENCE = re.compile(r"(?<=[^\W\d_]{3}[.!?;:…])(?<!\bMrs\.)\s+")
_MAX_SEGMENT = 160  # characters: about ten seconds of speech
# Control and format characters steer some engines or end their strings; none of them is ever spoken.
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Refused(Exception):
    """The request cannot be spoken, however often it is asked: no such voice, no such language."""


class EngineError(Exception):
    """The engine failed. It may work again."""


class Hearer(Protocol):
    """Where an engine puts what it makes of one segment. Both answer False: stop, nobody listens any more."""

    def audio(self, pcm: bytes) -> bool: ...

    def position(self, character: int, ms: float) -> None:
        """The word at this character of the segment begins at `ms` of the segment's audio."""
        ...


class Sound(msgspec.Struct, frozen=True):
    rate_hz: int
    gain_db: float  # brings active speech to about -18 dBFS


class Engine(Protocol):
    def select(self, request: Speak) -> Sound:
        """Take this voice, speed and settings from now on; says what it makes. Raises Refused."""
        ...

    def speak(self, segment: str, hearer: Hearer) -> None:
        """Raises EngineError."""
        ...


def segments(text: str) -> list[str]:
    """Sentences, and pieces of overlong ones cut at a space; together they are the text without its edges."""
    found = []
    for sentence in _SENTENCE.split(_UNSPEAKABLE.sub(" ", text).strip()):
        rest = sentence
        while len(rest) > _MAX_SEGMENT:
            cut = rest.rfind(" ", 1, _MAX_SEGMENT)
            cut = cut if cut > 0 else _MAX_SEGMENT
            found.append(rest[:cut])
            rest = rest[cut:].lstrip()
        found.append(rest)
    return [segment for segment in found if segment.strip()]


class _Job:
    """One request on its way, and the hearer of its segments."""

    def __init__(self, request: Speak, channel: Channel[Request]) -> None:
        self.request = request
        self._channel = channel
        self._segments = deque(segments(request.text))
        self._shaper: Shaper | None = None
        self._track: WordTrack | None = None
        self.cancelled = False

    def step(self, engine: Engine) -> bool:
        """Speak the next segment; True while there are more."""
        if not self._segments:
            return False
        sound = engine.select(self.request)
        if self._shaper is None:
            gain_db = sound.gain_db + 20 * log10(max(self.request.settings["volume"], 1) / 100)
            self._shaper = Shaper(sound.rate_hz, self.request.audio_format, level_table(gain_db), self._emit)
        segment = self._segments.popleft()
        start_ms = self._shaper.native_ms
        self._track = WordTrack(segment, start_ms)
        engine.speak(segment, self)
        if not self.cancelled:
            self._note(self._track.end(self._shaper.native_ms - start_ms))
        if not self._segments and not self.cancelled:
            self._shaper.finish()
        return bool(self._segments) and not self.cancelled

    def audio(self, pcm: bytes) -> bool:
        assert self._shaper is not None
        self._shaper.feed(pcm)
        cancel = Cancel(self.request.id)
        self.cancelled = any(message == cancel for message in self._channel.pump())
        return not self.cancelled

    def position(self, character: int, ms: float) -> None:
        assert self._track is not None
        self._note(self._track.at(character, ms))

    def _note(self, word: tuple[str, float, float] | None) -> None:
        if word is not None and self._shaper is not None:
            self._shaper.word(*word)

    def _emit(self, audio: bytes, words: tuple[Word, ...]) -> None:
        self._channel.send(Piece(self.request.id, audio, words))


def run(engine: Engine) -> Callable[[Channel[Request]], NoReturn]:
    """The loop of a worker around this engine, for `serve`."""

    def loop(channel: Channel[Request]) -> NoReturn:
        jobs: deque[_Job] = deque()
        while True:
            arrived = [] if jobs else [channel.next()]
            arrived += channel.pump()
            channel.inbox.clear()
            for message in arrived:
                jobs = _admit(jobs, message, channel)
            if jobs:
                job = jobs.popleft()
                if _step(job, engine, channel):
                    jobs.append(job)

    return loop


def _admit(jobs: deque[_Job], message: Request, channel: Channel[Request]) -> deque[_Job]:
    if isinstance(message, Speak):
        jobs.append(_Job(message, channel))
        return jobs
    return deque(job for job in jobs if job.request.id != message.id)


def _step(job: _Job, engine: Engine, channel: Channel[Request]) -> bool:
    """One segment of a job; True when it wants another turn."""
    try:
        if job.step(engine):
            return True
    except Refused as error:
        channel.send(Failed(job.request.id, str(error), retriable=False))
    except EngineError as error:
        channel.send(Failed(job.request.id, str(error), retriable=True))
    else:
        if not job.cancelled:
            channel.send(Done(job.request.id))
    return False


DECODER: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
