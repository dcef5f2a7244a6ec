"""From a synthesizer's samples to what a telephone wants: level, trimmed edges, format, word times.

Runs in a voice's worker process. Knows no engine; sample positions count from the engine's first sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import inf

import numpy as np

from pipelines.audio import AudioFormat, Resampler, Samples, from_pcm16
from pipelines.stages import Word

FIRST_PIECE_MS = 40
PIECE_MS = 200
TAIL_MS = 60  # silence left at the end, so that a chunk does not end in a click
PREROLL_MS = 5  # kept ahead of the onset

# Peaks of -3 dBFS leave the headroom that G.711 and the carriers' own gain need; the knee is where
# limiting begins, so that ordinary speech passes unbent.
_CEILING = 10 ** (-3 / 20)
_KNEE = 10 ** (-7 / 20)
# Sample values, after the gain. An onset is what somebody on the line would call the beginning of speech;
# once speech has begun, its quieter sounds count too.
_ONSET = int(10 ** (-38 / 20) * 32767)
_AUDIBLE = int(10 ** (-42 / 20) * 32767)

Emit = Callable[[bytes, tuple[Word, ...]], None]


@lru_cache(maxsize=16)
def level_table(gain_db: float) -> Samples:
    """What every 16-bit sample becomes: gain, then a soft limit at -3 dBFS.

    Index it with the sample taken as uint16.
    """
    x = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.float64) / 32768 * 10 ** (gain_db / 20)
    over = np.maximum(np.abs(x) - _KNEE, 0.0)
    room = _CEILING - _KNEE
    y = np.sign(x) * (np.minimum(np.abs(x), _KNEE) + room * np.tanh(over / room))
    return np.rint(y * 32767).astype(np.int16)


class Shaper:
    """One synthesis. `emit` is called with a first piece of about 40 ms, then with pieces of about 200 ms."""

    def __init__(self, native_hz: int, target: AudioFormat, table: Samples, emit: Emit) -> None:
        self._native_hz = native_hz
        self._target = target
        self._table = table
        self._emit = emit
        # Edges are looked for after resampling: much of a hiss is above what a telephone carries.
        self._resampler = Resampler(native_hz, target.rate_hz) if native_hz != target.rate_hz else None
        self._native_samples = 0
        self._samples = 0  # at the target's rate, before trimming
        self._trimmed_ms: float | None = None  # of leading silence; None while there was no sound
        self._quiet = np.zeros(0, np.int16)  # silence that becomes a gap if sound follows
        self._words: list[Word] = []  # known and not yet emitted
        self._ready = bytearray()
        self._emitted_bytes = 0

    @property
    def native_ms(self) -> float:
        """Fed so far, in the engine's own time."""
        return self._native_samples * 1000 / self._native_hz

    def feed(self, pcm: bytes) -> None:
        self._native_samples += len(pcm) // 2
        if self._resampler is not None:
            pcm = self._resampler.feed(pcm)
        self._shape(pcm)
        wanted_ms = PIECE_MS if self._emitted_bytes else FIRST_PIECE_MS
        if len(self._ready) >= wanted_ms * self._target.bytes_per_ms:
            self._flush()

    def word(self, text: str, start_ms: float, end_ms: float) -> None:
        """A spoken word, in the engine's own time; may come before its audio."""
        self._words.append(Word(text, start_ms, end_ms))

    def finish(self) -> None:
        if self._resampler is not None:
            self._shape(self._resampler.feed(b"", last=True))
        if self._trimmed_ms is not None:
            self._encode(self._quiet[: self._target.rate_hz * TAIL_MS // 1000])
        if self._ready:
            self._flush(self._target.duration_ms(self._emitted_bytes + len(self._ready)))

    def _shape(self, pcm: bytes) -> None:
        """Level, and the edges: what comes before the onset is dropped, later silence is held back."""
        samples = np.concatenate([self._quiet, self._table[np.frombuffer(pcm, dtype=np.uint16)]])
        self._samples += len(pcm) // 2
        loud = np.flatnonzero(np.abs(samples) > (_ONSET if self._trimmed_ms is None else _AUDIBLE))
        preroll = self._target.rate_hz * PREROLL_MS // 1000
        if not len(loud):
            self._quiet = samples[-preroll:] if self._trimmed_ms is None else samples
            return
        first, end = 0, int(loud[-1]) + 1
        if self._trimmed_ms is None:
            first = max(int(loud[0]) - preroll, 0)
            self._trimmed_ms = (self._samples - len(samples) + first) * 1000 / self._target.rate_hz
        self._encode(samples[first:end])
        self._quiet = samples[end:]

    def _encode(self, samples: Samples) -> None:
        self._ready += from_pcm16(samples.tobytes(), self._target.codec)

    def _flush(self, total_ms: float = inf) -> None:
        self._emit(bytes(self._ready), tuple(self._heard(word, total_ms) for word in self._words))
        self._emitted_bytes += len(self._ready)
        self._ready.clear()
        self._words.clear()

    def _heard(self, word: Word, total_ms: float) -> Word:
        """The word's place in what is emitted, whose edges are trimmed."""
        trimmed_ms = self._trimmed_ms or 0.0
        start_ms, end_ms = (min(max(ms - trimmed_ms, 0.0), total_ms) for ms in (word.start_ms, word.end_ms))
        return Word(word.text, start_ms, end_ms)


class WordTrack:
    """Turns "the engine is now at this character" into words as they are written, times in the engine's ms.

    What lies between two spaces is one word, however the engine reads it ("10:30" is several spoken
    ones); what the engine passes over in silence (a dash) belongs to the word before it.
    """

    def __init__(self, text: str, offset_ms: float) -> None:
        self._tokens = [(match.start(), match.group()) for match in re.finditer(r"\S+", text)]
        self.offset_ms = offset_ms
        self._open = 0
        self._start_ms: float | None = None  # None until the first word has begun

    def at(self, character: int, ms: float) -> tuple[str, float, float] | None:
        """The word that ended because another began, if one did."""
        token = self._token_of(character)
        if self._start_ms is None:
            self._start_ms = ms
            return None
        if token <= self._open:
            return None
        ended = self._close(token, ms)
        self._open, self._start_ms = token, ms
        return ended

    def end(self, ms: float) -> tuple[str, float, float] | None:
        """The last word, at the end of the text."""
        return None if self._start_ms is None else self._close(len(self._tokens), ms)

    def _token_of(self, character: int) -> int:
        token = self._open
        while token + 1 < len(self._tokens) and self._tokens[token + 1][0] <= character:
            token += 1
        return token

    def _close(self, upto: int, ms: float) -> tuple[str, float, float]:
        assert self._start_ms is not None
        text = " ".join(token for _, token in self._tokens[self._open : upto])
        return text, self.offset_ms + self._start_ms, self.offset_ms + ms
