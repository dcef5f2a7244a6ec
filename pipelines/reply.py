"""One reply on its way: model → speakable chunks → voice → mouth, each streaming into the next.

Runs as a task of the call while a turn needs the outside world; cancelling it cancels the requests at
the providers. It knows nothing of who holds the floor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from pipelines.brain.dialogue import ReplyEvent, ToolRan
from pipelines.machines.sentences import SentenceChunker
from pipelines.mouth import Mouth
from pipelines.stages import Expect, Hint, TextDelta, Tts, Usage, Voice
from pipelines.timing import Mark

CHUNKS_AHEAD = 8  # speakable chunks that may wait for the voice; then the model is read more slowly
LONGEST_REPLY = 4000  # characters: about four minutes of speech

Stamp = Callable[[Mark], None]


class Reply:
    """Speaks model output (or a fixed text) as one generation of the mouth."""

    def __init__(self, tts: Tts, voice: Voice, mouth: Mouth, stamp: Stamp, audible: Callable[[], None]) -> None:
        self._tts = tts
        self._voice = voice
        self._mouth = mouth
        self._stamp = stamp
        self._audible = audible
        self._speaking = asyncio.Lock()
        # Bounded by the semaphore, so that the end of the stream never has to wait for room.
        self._chunks: asyncio.Queue[str | None] = asyncio.Queue()
        self._slots = asyncio.Semaphore(CHUNKS_AHEAD)
        self.generation = mouth.begin()
        self.text = ""  # what the model wrote so far
        self.expect = Expect.ANYTHING
        self.tools: list[ToolRan] = []
        self.usage: list[Usage] = []
        self.filled = False  # a filler was spoken

    async def speak_model(self, events: AsyncGenerator[ReplyEvent, None]) -> None:
        """Speak what the model writes. Raises StageError of the model or the voice."""
        writer = asyncio.create_task(self._write(events))
        try:
            while (chunk := await self._chunks.get()) is not None:
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
    def mute(self) -> bool:
        """Nothing is being spoken, nor waits for the voice: a filler would come before all of it."""
        return not self._speaking.locked() and self._chunks.empty()

    async def fill(self, text: str) -> None:
        """Speak a filler before the reply proper. Raises StageError of the voice."""
        self.filled = True
        await self._speak(text)

    async def _write(self, events: AsyncGenerator[ReplyEvent, None]) -> None:
        chunker = SentenceChunker()
        try:
            async with aclosing(events) as open_events:
                async for event in open_events:
                    if isinstance(event, TextDelta):
                        await self._take(event.text, chunker)
                    elif isinstance(event, Hint):
                        self.expect = event.expect
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

    async def _speak(self, chunk: str) -> None:
        async with self._speaking:
            self._mouth.open_text(self.generation, chunk)
            stream = self._tts.synthesize(chunk, self._voice, self._mouth.playout.audio_format)
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    if self._mouth.feed(self.generation, piece.audio, piece.words):
                        self._audible()
                    await self._mouth.room()
