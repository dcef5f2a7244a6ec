"""What only some engines can do. A stage asks with `isinstance` and goes on without where the answer is no."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from pipelines.audio import AudioFormat
from pipelines.stages import SttOptions, Voice


@runtime_checkable
class HasBacklog(Protocol):
    """An engine that knows how far it is behind: new calls are refused before it degrades the running ones."""

    @property
    def backlog_ms(self) -> float:
        """Age of the oldest work that is not done; 0 when there is none."""
        ...


@runtime_checkable
class Billed(Protocol):
    """An engine of a provider that sends bills: the price table knows it as "provider/model"."""

    @property
    def model(self) -> str: ...


@runtime_checkable
class Warmable(Protocol):
    """An engine behind a network. Called before a caller is greeted, and again when he has been on the line a while."""

    async def warm(self) -> None:
        """Have a connection open for the next request; cheap when there is one. Raises StageError."""
        ...


@runtime_checkable
class WarmableVoice(Protocol):
    """A voice whose sockets belong to one voice and format."""

    async def warm_voice(self, voice: Voice, audio_format: AudioFormat) -> None:
        """As `Warmable.warm`, for chunks that will be asked in this voice and format."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """A recogniser whose first session with new options costs time that can be spent before a call comes."""

    async def prepare(self, options: SttOptions) -> None: ...


@runtime_checkable
class Hurried(Protocol):
    """An `SttSession` whose engine serves many calls and can let the more urgent go first."""

    def hurry(self) -> None:
        """The turn is committed: the caller waits for the flush under way. Does nothing when there is none."""
        ...


@runtime_checkable
class SendsAgain(Protocol):
    """An `SttSession` that sends with every flush what it has of the utterance, and not what it is fed."""

    @property
    def sent_s(self) -> float:
        """Seconds of audio sent so far, in all flushes."""
        ...


class TurnEvent(StrEnum):
    """What a recogniser that follows turns has noticed."""

    EAGER_END = "eager_end"  # the turn may be over: the answer can be prepared
    RESUMED = "resumed"  # it was not, after an EAGER_END
    END = "end"  # it is over, as far as the recogniser is concerned


class TurnSign(msgspec.Struct, frozen=True):
    event: TurnEvent
    probability: float  # 0…1 that the turn is over


@runtime_checkable
class HearsTurns(Protocol):
    """An `SttSession` whose engine also hears whether the turn is over. Like a `TurnDetector` it decides nothing."""

    def hear_turns(self, told: Callable[[TurnSign], None]) -> None:
        """From now on `told` gets every sign of the current utterance, on the event loop, as soon as it is there.

        The text that the engine had at an EAGER_END or END is what a `flush` then returns without waiting.
        """
        ...
