"""Sentences that are said again and again, kept as audio: heard at once, and even when no voice works any more.

In memory for all calls of a process, and on disk where it has `StockFiles`. It keeps what it is given and asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from pipelines.abilities import Billed
from pipelines.audio import AudioFormat
from pipelines.stages import Tts, TtsChunk, Voice
from pipelines.stock_files import StockFiles

MOST_SHELVES = 64  # each a voice in a format; about 0.5 MB of telephone audio
MOST_NAMED = 1024  # texts beside the fixed ones: greetings
MOST_KEPT = 32  # of those, in memory, on each shelf: about 1 MB

Chunks = tuple[TtsChunk, ...]


class Shelf:
    """One voice's sentences in one format. Only the texts that were named are kept. `makes`: what makes the audio of a
    text, besides the text; () when nobody can say it, and nothing is kept on disk."""

    def __init__(
        self, fixed: Collection[str], named: Collection[str], files: StockFiles | None, makes: tuple[object, ...]
    ) -> None:
        self._fixed = fixed
        self._named = named
        self._files = files if makes else None
        self._makes = makes
        self._kept: dict[str, Chunks] = {}
        self._kept_named: dict[str, Chunks] = {}  # the oldest first

    def get(self, text: str) -> Chunks | None:
        return self._kept.get(text, self._kept_named.get(text))

    async def find(self, text: str) -> Chunks | None:
        """As `get`, and on disk too; that takes about a millisecond."""
        if (kept := self.get(text)) is not None or self._files is None or not self.takes(text):
            return kept
        found = await self._files.read(self._files.name(*self._makes, text))
        if found is not None:
            self._keep(text, found)
        return found

    def takes(self, text: str) -> bool:
        return text in self._fixed or text in self._named

    def put(self, text: str, chunks: Sequence[TtsChunk]) -> None:
        if not self.takes(text):
            return
        self._keep(text, tuple(chunks))
        if self._files is not None:
            self._files.write(self._files.name(*self._makes, text), chunks)

    def _keep(self, text: str, chunks: Chunks) -> None:
        if text in self._fixed:
            self._kept[text] = chunks
            return
        self._kept_named[text] = chunks
        if len(self._kept_named) > MOST_KEPT:
            del self._kept_named[next(iter(self._kept_named))]


class Stock:
    """`fixed` texts are worth keeping: whole chunks, as they are given to the voice. Others can be named later."""

    def __init__(self, fixed: Collection[str], files: StockFiles | None = None) -> None:
        self._fixed = fixed
        self._named: dict[str, None] = {}  # the oldest first
        self._files = files
        self._shelves: dict[tuple[int, bytes, AudioFormat], tuple[Tts, Shelf]] = {}

    def name(self, texts: Iterable[str]) -> None:
        """These are worth keeping as well, until too many others have been named."""
        for text in texts:
            self._named.pop(text, None)
            self._named[text] = None
        while len(self._named) > MOST_NAMED:
            del self._named[next(iter(self._named))]

    def shelf(self, engine: Tts, voice: Voice, audio_format: AudioFormat, made_of: str = "") -> Shelf:
        """`made_of` names the engine beyond this process: its provider and options."""
        key = (id(engine), msgspec.json.encode(voice, order="sorted"), audio_format)
        if key not in self._shelves:
            model = engine.model if isinstance(engine, Billed) else ""
            makes = (made_of, model, voice, audio_format) if made_of else ()
            shelf = Shelf(self._fixed, self._named, self._files, makes)
            if len(self._shelves) >= MOST_SHELVES:
                return shelf
            self._shelves[key] = engine, shelf  # the engine is kept, so that its id stays its own
        return self._shelves[key][1]
