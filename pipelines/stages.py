"""The seams of a conversation: what a VAD, a speech recogniser, a language model and a voice must offer.

Engines are shared by all calls of a process and are made once, at boot; sessions belong to one call.
Methods named `feed` are synchronous and never block: they run in the receive callback of a socket.
Durations are milliseconds, audio handed to engines is signed 16-bit little-endian mono. What only some engines can do
is in `abilities.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from pipelines.audio import AudioFormat

# --- voice activity -------------------------------------------------------------------------------


class VadStream(Protocol):
    """Per-call state of a voice activity detector."""

    def feed(self, pcm: bytes) -> bool:
        """Is there speech in this 20 ms frame?"""
        ...


@runtime_checkable
class Vad(Protocol):
    def open(self, rate_hz: int) -> VadStream: ...

    async def close(self) -> None: ...


# --- speech to text -------------------------------------------------------------------------------


class Expect(StrEnum):
    """What the agent's last question asked for: biases recognition and end-of-turn waiting."""

    ANYTHING = "anything"
    YES_NO = "yes_no"
    NAME = "name"
    DATE = "date"
    TIME = "time"
    DATE_TIME = "date_time"
    PHONE = "phone"
    SERVICE = "service"
    EMAIL = "email"
    ADDRESS = "address"
    SPELLING = "spelling"
    NUMBER = "number"  # of a customer, an order, a card


class Word(msgspec.Struct, frozen=True):
    text: str
    start_ms: float
    end_ms: float
    confidence: float | None = None


class Transcript(msgspec.Struct, frozen=True):
    """What was understood of one utterance. Empty text: nothing was."""

    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None
    confidence: float | None = None  # None: the engine has none worth showing


class SttSession(Protocol):
    """One call's recogniser. begin → feed… → flush (→ feed… → flush) → end; reusable."""

    @property
    def partial(self) -> str:
        """Newest hypothesis of the current utterance; "" when there is none yet."""
        ...

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        """A new utterance starts; what was left of an earlier one is forgotten."""
        ...

    def feed(self, pcm: bytes) -> None:
        """Any whole number of samples at the session's rate, in order."""
        ...

    async def flush(self) -> Transcript:
        """The text of the whole utterance so far. More audio may follow: the next flush covers it too.

        Raises StageError (with stage "stt"). Cancelling it leaves the session usable.
        """
        ...

    def end(self) -> None:
        """The utterance is over or given up; nothing more of it is computed."""
        ...

    async def close(self) -> None: ...


class SttOptions(msgspec.Struct, frozen=True):
    language: str = "en"  # "": unknown; engines that can, find out
    rate_hz: int = 8000
    phrases: tuple[str, ...] = ()  # vocabulary hints: names, products, sentences callers say


@runtime_checkable
class Stt(Protocol):
    async def open(self, options: SttOptions) -> SttSession: ...

    async def close(self) -> None: ...


# --- end of turn ----------------------------------------------------------------------------------


@runtime_checkable
class TurnDetector(Protocol):
    """Hears whether a caller who fell silent has finished. Optional: what it says moves a wait, it decides nothing."""

    async def probability(self, pcm: bytes, rate_hz: int) -> float:
        """0…1 that the turn is over, from the utterance so far (the last 8 s of it at most, the pause included).

        Raises StageError (with stage "turn"). Works off the event loop; cancelling it is safe.
        """
        ...

    async def close(self) -> None: ...


# --- language model -------------------------------------------------------------------------------


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    name: str
    arguments: dict[str, Any]


class Message(msgspec.Struct, frozen=True):
    """One entry of the history. `content` of an interrupted assistant message is what was heard of it."""

    role: str  # system | user | assistant | tool
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    interrupted: bool = False


class ToolSpec(msgspec.Struct, frozen=True):
    name: str
    description: str
    parameters: dict[str, Any]  # JSON schema
    side_effect: bool = False  # True: runs only in a committed turn


class TextDelta(msgspec.Struct, frozen=True):
    text: str


class Hint(msgspec.Struct, frozen=True):
    """The model says what it now expects to hear. Optional; may come anywhere in a stream."""

    expect: Expect
    length: int = 0  # digits that the number asked for has; 0: unknown


class Usage(msgspec.Struct, frozen=True):
    """At the end of a stream. `cached_tokens` are part of `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


LlmEvent = TextDelta | ToolCall | Hint | Usage


class LlmRequest(msgspec.Struct, frozen=True):
    messages: Sequence[Message]
    tools: Sequence[ToolSpec]
    language: str = "en"
    now: datetime | None = None  # aware, in the business's time zone: fixed for the whole call
    facts: dict[str, Any] = {}  # company_name and the like: what a prompt template may name
    max_tokens: int = 400
    temperature: float = 0.3


@runtime_checkable
class Llm(Protocol):
    def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        """Text, tool calls (whole, in order) and hints as they come. Ends when the model is done.

        After tool calls the caller appends their results and asks again. Raises StageError.
        Closing the iterator early cancels the request at the provider.
        """
        ...

    async def close(self) -> None: ...


# --- text to speech -------------------------------------------------------------------------------


class Voice(msgspec.Struct, frozen=True):
    voice_id: str = ""  # "": the provider's default for the language
    language: str = "en"
    speed: float = 1.0
    settings: dict[str, Any] = {}  # what only one provider knows


class TtsChunk(msgspec.Struct, frozen=True):
    """A piece of speech in the format asked for, and words whose times count from the sentence's start."""

    audio: bytes
    words: tuple[Word, ...] = ()


@runtime_checkable
class Tts(Protocol):
    def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        """Speak one chunk of text, streaming. Raises StageError. Closing the iterator early cancels it."""
        ...

    async def close(self) -> None: ...
