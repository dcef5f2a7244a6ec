"""One reply on its way: model → speakable chunks → voice → mouth, each streaming into the next.

Runs as a task of the call while a turn needs the outside world; cancelling it cancels the requests at
the providers. It knows nothing of who holds the floor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from pipelines.brain.dialogue import ReplyEvent, ToolRan
from pipelines.errors import StageError, StageTimeout
from pipelines.machines.sentences import SentenceChunker
from pipelines.mouth import Mouth
from pipelines.stages import Expect, Hint, TextDelta, Tts, TtsChunk, Usage, Voice
from pipelines.timing import Mark, Marks

CHUNKS_AHEAD = 8  # speakable chunks that may wait for the voice; then the model is read more slowly
CHUNK_S = 12.0  # for the model to come to its next speakable chunk, with all the tools that it calls on the way
LONGEST_REPLY = 4000  # characters: about four minutes of speech


class Reply:
    """Speaks model output (or a fixed text) as one generation of the mouth. Nothing of it sounds while it is held."""

    def __init__(
        self,
        tts: Tts,
        voice: Voice,
        mouth: Mouth,
        now: Callable[[], float],
        audible: Callable[[], None],
        *,
        held: bool = False,
    ) -> None:
        self._tts = tts
        self._voice = voice
        self._mouth = mouth
        self._now = now
        self._audible = audible
        self._speaking = asyncio.Lock()
        # Bounded by the semaphore, so that the end of the stream never has to wait for room.
        self._chunks: asyncio.Queue[str | None] = asyncio.Queue()
        self._slots = asyncio.Semaphore(CHUNKS_AHEAD)
        self.generation = mouth.begin()
        if held:
            mouth.pause()
        self.marks: Marks = {}  # the first time of each counts
        self.text = ""  # what the model wrote so far
        self.expect = Expect.ANYTHING
        self.length = 0  # of the number that is expected
        self.tools: list[ToolRan] = []
        self.usage: list[Usage] = []
        self.fillers = 0  # that were spoken
        self.broken = False  # not all of the text came to be spoken
        self._voicing = False
        self.characters = 0  # given to the voice

    def release(self) -> None:
        """It may be heard from now on, with all that was made of it so far."""
        self._mouth.resume()
        if self._mouth.first_heard_ms is not None:
            self._audible()

    async def speak_model(self, events: AsyncGenerator[ReplyEvent, None]) -> None:
        """Speak what the model writes. Raises StageError of the model or the voice."""
        writer = asyncio.create_task(self._write(events))
        try:
            while (chunk := await self._next_chunk()) is not None:
                self._slots.release()
                await self._speak(chunk)
            await writer
        finally:
            writer.cancel()
            await asyncio.wait([writer])
            if not writer.cancelled():
                writer.exception()  # the voice failed first: that is the error that counts

    async def speak_text(self, text: str) -> None:
        """Speak a fixed text. Raises StageError of the voice."""
        self.text = f"{self.text} {text}".strip()
        chunker = SentenceChunker()
        for chunk in [*chunker.feed(text), chunker.finish()]:
            if chunk:
                await self._speak(chunk)

    @property
    def at_voice(self) -> bool:
        """The next words are being made."""
        return self._voicing or not self._chunks.empty()

    async def fill(self, text: str, spoken: Callable[[], None]) -> None:
        """Speak a filler, unless the reply's own words come first. `spoken` is called when it is heard. Raises
        StageError of the voice."""
        playout = self._mouth.playout
        made_ms = playout.generated_ms
        async with aclosing(self._tts.synthesize(text, self._voice, playout.audio_format)) as pieces:
            first = await anext(pieces, None)
            if first is None or self._speaking.locked() or playout.generated_ms > made_ms:
                return
            self.fillers += 1
            spoken()
            async with self._speaking:
                await self._play(text, first, pieces)

    async def _next_chunk(self) -> str | None:
        try:
            async with asyncio.timeout(CHUNK_S):
                return await self._chunks.get()
        except TimeoutError as error:
            raise StageTimeout(f"nothing to say within {CHUNK_S:g} s", stage="llm", provider="model") from error

    async def _write(self, events: AsyncGenerator[ReplyEvent, None]) -> None:
        chunker = SentenceChunker()
        try:
            async with aclosing(events) as open_events:
                async for event in open_events:
                    if isinstance(event, TextDelta):
                        await self._take(event.text, chunker)
                    elif isinstance(event, Hint):
                        self.expect, self.length = event.expect, event.length
                    elif isinstance(event, Usage):
                        self.usage.append(event)
                    else:
                        self.tools.append(event)
            if rest := chunker.finish():
                await self._hand_over(rest)
        finally:
            self._chunks.put_nowait(None)

    async def _take(self, delta: str, chunker: SentenceChunker) -> None:
        if len(self.text) >= LONGEST_REPLY:
            return
        if delta.strip():
            self._stamp(Mark.FIRST_TOKEN)
        self.text += delta
        for chunk in chunker.feed(delta):
            await self._hand_over(chunk)

    async def _hand_over(self, chunk: str) -> None:
        self._stamp(Mark.FIRST_CHUNK)
        await self._slots.acquire()
        self._chunks.put_nowait(chunk)

    def _stamp(self, mark: Mark) -> None:
        self.marks.setdefault(mark, self._now())

    async def _speak(self, chunk: str) -> None:
        self.characters += len(chunk)
        self._voicing = True
        try:
            async with aclosing(self._tts.synthesize(chunk, self._voice, self._mouth.playout.audio_format)) as pieces:
                first = await anext(pieces, None)
                async with self._speaking:
                    self._voicing = False
                    await self._play(chunk, first, pieces)
        finally:
            self._voicing = False

    async def _play(self, text: str, first: TtsChunk | None, rest: AsyncGenerator[TtsChunk, None]) -> None:
        """Raises StageError, also when a text that can be spoken was not."""
        self._mouth.open_text(self.generation, text)
        playout = self._mouth.playout
        made_ms = playout.generated_ms
        piece = first
        while piece is not None:
            if self._mouth.feed(self.generation, piece.audio, piece.words):
                self._audible()
            elif Mark.FIRST_AUDIO not in self.marks and playout.generated_ms:
                self._stamp(Mark.FIRST_AUDIO)
            await self._mouth.room()
            try:
                piece = await anext(rest, None)
            except StageError:
                playout.break_text(self.generation)
                raise
        wanted = self.generation == playout.generation and any(character.isalnum() for character in text)
        if wanted and playout.generated_ms == made_ms:
            raise StageError("the voice made no sound", stage="tts", provider="voice")
