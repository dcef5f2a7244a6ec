"""What emulated recognisers and voices pretend with: a script that callers say, an ear that hears loudness, a tone.

Nothing is recognised: whoever is loud says the script's next part.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipelines.audio import AudioFormat, from_pcm16, rms, to_pcm16

LOUD_RMS = 300
LOUD_MS = 60.0  # less is a click: nobody said anything
WORD_MS = 200.0  # as long as a word takes to be heard, for hypotheses
CHARACTER_MS = 60
PERIOD_MS = 100  # of the tone: it can be repeated without a seam


class Script:
    """What all callers of an emulator say, in parts."""

    def __init__(self, text: str) -> None:
        self.parts = [text]
        self.edition = 0  # of the script: who has read another begins at its first part

    def write(self, text: str) -> None:
        self.parts = [text]
        self.edition += 1

    def add(self, text: str) -> None:
        self.parts.append(text)


class Scripted:
    """An emulator whose callers have a script."""

    script: Script

    @property
    def transcript(self) -> str:
        return " ".join(self.script.parts)

    @transcript.setter
    def transcript(self, text: str) -> None:
        self.script.write(text)

    def add(self, text: str) -> None:
        """What is said next."""
        self.script.add(text)


class Speech:
    """One connection's audio, and what is said in it. Positions are milliseconds of audio since its beginning."""

    def __init__(self, script: Script, audio: AudioFormat) -> None:
        self._script = script
        self._edition = script.edition
        self._said = 0  # parts
        self.audio = audio
        self.at_ms = 0.0
        self.loud_ms = 0.0  # of this stretch
        self.loud_from_ms = self.loud_to_ms = 0.0

    def feed(self, data: bytes) -> bool:
        """Was that loud?"""
        if self._edition != self._script.edition:
            self._edition, self._said, self.loud_ms = self._script.edition, 0, 0.0
        length_ms = self.audio.duration_ms(len(data))
        loud = bool(data) and rms(to_pcm16(data, self.audio.codec)) > LOUD_RMS
        if loud:
            if not self.loud_ms:
                self.loud_from_ms = self.at_ms
            self.loud_ms += length_ms
            self.loud_to_ms = self.at_ms + length_ms
        self.at_ms += length_ms
        return loud

    def hypothesis(self) -> str:
        """As many words of what is being said as there was time for."""
        return " ".join(self.unsaid().split()[: int(self.loud_ms / WORD_MS) + 1]) if self.loud_ms >= LOUD_MS else ""

    def say(self) -> str:
        """What was said in this stretch; the next one begins."""
        text = ""
        if self.loud_ms >= LOUD_MS:
            text = self.unsaid()
            self._said = len(self._script.parts)
        self.loud_ms = 0.0
        return text

    def unsaid(self) -> str:
        """What is left of the script; all of it when nothing is."""
        return " ".join(self._script.parts[self._said :] or self._script.parts)

    def spread(self, text: str) -> list[tuple[str, float, float]]:
        """Its words with times from the first to the last loud moment of the stretch, in milliseconds."""
        words = text.split()
        each_ms = (self.loud_to_ms - self.loud_from_ms) / max(len(words), 1)
        return [
            (word, self.loud_from_ms + index * each_ms, self.loud_from_ms + (index + 1) * each_ms)
            for index, word in enumerate(words)
        ]


@lru_cache(maxsize=16)
def tone(audio: AudioFormat, length_ms: int) -> bytes:
    """A loud tone: 300 Hz at half of full scale."""
    at = np.arange(audio.rate_hz * PERIOD_MS // 1000) / audio.rate_hz
    period = from_pcm16((16000 * np.sin(2 * np.pi * 300 * at)).astype("<i2").tobytes(), audio.codec)
    size = audio.rate_hz * length_ms // 1000 * audio.bytes_per_sample
    return (period * (length_ms // PERIOD_MS + 1))[:size]


def word_times(text: str) -> list[tuple[str, float, float]]:
    """Every word of a text that is spoken as a tone, with its times in milliseconds."""
    found, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        found.append((word, start * CHARACTER_MS, at * CHARACTER_MS))
    return [(word, float(start), float(end)) for word, start, end in found]
