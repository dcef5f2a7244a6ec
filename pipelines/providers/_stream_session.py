"""A call's session with a recogniser that listens all the time: audio is sent as it comes, a flush asks for its text.

One WebSocket for the whole call, opened before the greeting; a new one for the next utterance when it broke. What the
provider says, and how it is asked, is its dialect's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from pipelines.abilities import TurnSign
from pipelines.audio import AudioFormat, from_pcm16, silence
from pipelines.providers._socket import ProviderSocket
from pipelines.providers._stream_text import EDGE_S, StreamText
from pipelines.stages import Expect, Transcript

GRACE_S = 0.3  # without news, before a dialect is told that its answer is overdue
STALE_S = 1.0  # an answer that is missing for so long when another utterance begins: the connection is a dead one
MOST_TERMS, MOST_TERM_CHARACTERS, LONGEST_TERM_WORDS = 100, 1200, 5


class Dialect(Protocol):
    """One stream's protocol. Positions are seconds of audio that were sent before."""

    def heard(self, kind: str, frame: str) -> None:
        """A frame came. Raises StageError, or msgspec errors for what is malformed."""
        ...

    def cut(self, at_s: float) -> str | None:
        """What to send so that audio from before this position and audio from after are kept apart."""
        ...

    def ask(self, at_s: float) -> str | None:
        """What to send for the text of everything up to this position."""
        ...

    def answered(self, at_s: float) -> bool: ...

    def overdue(self, at_s: float) -> bytes | None:
        """Nothing has come for a while after `ask`: audio to send, if that helps."""
        ...


class Line:
    """One connection: how much was sent, what was understood."""

    socket: ProviderSocket
    dialect: Dialect

    def __init__(self, text: StreamText, audio: AudioFormat) -> None:
        self.text = text
        self.audio = audio
        self.news = asyncio.Event()
        self._sent_bytes = 0

    @property
    def at_s(self) -> float:
        return self._sent_bytes / (self.audio.rate_hz * self.audio.bytes_per_sample)

    def counted(self, audio: bytes) -> bytes:
        self._sent_bytes += len(audio)
        return audio

    def silence(self, seconds: float) -> bytes:
        return silence(self.audio, round(seconds * 1000))

    def send(self, message: str | bytes | None) -> None:
        if isinstance(message, bytes):
            message = self.counted(message)
        if message is not None:
            self.socket.send(message)

    def told(self, kind: str, frame: str) -> None:
        self.dialect.heard(kind, frame)
        self.news.set()


Dial = Callable[[Callable[[TurnSign], None]], Line]


class StreamSession:
    """`SttSession`. `dial` makes a new connection, whose dialect tells the signs of turns it hears, if it hears any."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._told_turn: Callable[[TurnSign], None] = lambda sign: None
        self._left: list[Line] = []
        self._line = self._connect()

    def _connect(self) -> Line:
        line = self._dial(lambda sign: self._told_turn(sign))
        line.socket.start()
        self._asked_s = -1.0  # position of the newest flush, and when it was
        self._asked_at_s = 0.0
        return line

    async def opened(self) -> None:
        """Raises StageError; the session is closed then."""
        try:
            await self._line.socket.opened()
        except BaseException:
            await self.close()
            raise

    @property
    def partial(self) -> str:
        return self._line.text.text

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        line = self._line
        stale = asyncio.get_running_loop().time() - self._asked_at_s > STALE_S
        if line.socket.failed is not None or (stale and not line.dialect.answered(self._asked_s)):
            line.socket.abandon()
            self._left.append(line)
            self._line = self._connect()
        self.end()

    def feed(self, pcm: bytes) -> None:
        self._line.send(from_pcm16(pcm, self._line.audio.codec))

    async def flush(self) -> Transcript:
        line = self._line
        at_s = line.at_s
        if at_s <= line.text.begun_s + EDGE_S:
            return Transcript("")
        line.send(line.dialect.ask(at_s))
        clock = asyncio.get_running_loop()
        self._asked_s, self._asked_at_s = at_s, clock.time()
        overdue_s = clock.time() + GRACE_S
        while not line.dialect.answered(at_s):
            if line.socket.failed is not None:
                raise line.socket.failed
            line.news.clear()
            try:
                async with asyncio.timeout_at(overdue_s):
                    await line.news.wait()
            except TimeoutError:
                line.send(line.dialect.overdue(at_s))
                overdue_s = clock.time() + GRACE_S
        return line.text.transcript()

    def end(self) -> None:
        """What was said before is kept out of what comes."""
        line = self._line
        line.send(line.dialect.cut(line.at_s))
        line.text.begin(line.at_s)

    async def close(self) -> None:
        for line in (*self._left, self._line):
            await line.socket.close()


class TurnSession(StreamSession):
    """Of a recogniser that hears turns: `HearsTurns`."""

    def hear_turns(self, told: Callable[[TurnSign], None]) -> None:
        self._told_turn = told


def terms(phrases: Iterable[str]) -> list[str]:
    """The phrases that can be told a recogniser as key terms: names and short expressions, no sentences, each once,
    within the limits of the providers (100 terms and 1200 characters at Cartesia, 500 tokens at Deepgram)."""
    chosen: dict[str, None] = {}
    left = MOST_TERM_CHARACTERS
    for phrase in phrases:
        term = " ".join(phrase.split())
        if not term or term in chosen or len(term.split()) > LONGEST_TERM_WORDS or len(term) > left:
            continue
        chosen[term] = None
        left -= len(term)
        if len(chosen) == MOST_TERMS:
            break
    return list(chosen)
