"""Sentences that are said again and again, kept as audio: heard at once, and even when no voice works any more.

Shared by all calls of a process. It keeps what it is given and asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from pipelines.audio import AudioFormat
from pipelines.stages import Tts, TtsChunk, Voice

MOST_SHELVES = 64  # each a voice in a format; about 0.5 MB of telephone audio


class Shelf:
    """One voice's sentences in one format. Only the texts that were named are kept."""

    def __init__(self, texts: Collection[str]) -> None:
        self._texts = texts
        self._kept: dict[str, tuple[TtsChunk, ...]] = {}

    def get(self, text: str) -> tuple[TtsChunk, ...] | None:
        return self._kept.get(text)

    def put(self, text: str, chunks: Sequence[TtsChunk]) -> None:
        if text in self._texts:
            self._kept[text] = tuple(chunks)


class Stock:
    """`texts` are worth keeping: whole chunks, as they are given to the voice."""

    def __init__(self, texts: Collection[str]) -> None:
        self._texts = texts
        self._shelves: dict[tuple[int, bytes, AudioFormat], tuple[Tts, Shelf]] = {}

    def shelf(self, engine: Tts, voice: Voice, audio_format: AudioFormat) -> Shelf:
        key = (id(engine), msgspec.json.encode(voice, order="sorted"), audio_format)
        if key not in self._shelves:
            shelf = Shelf(self._texts)
            if len(self._shelves) >= MOST_SHELVES:
                return shelf
            self._shelves[key] = engine, shelf  # the engine is kept, so that its id stays its own
        return self._shelves[key][1]
