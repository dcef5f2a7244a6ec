"""Counts what one call uses, turn by turn: the fallbacks tell it what they ask of whom, the minutes what became of it.

It keeps what is under way as it is asked, so that a turn which is broken off is complete at once: what a provider can
no longer tell is estimated then. It knows no engine's protocol and asks nobody.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from config.prices import PriceTable
from pipelines.abilities import SendsAgain
from pipelines.audio import AudioFormat
from pipelines.errors import StageError
from pipelines.roster import Named
from pipelines.stages import LlmEvent, LlmRequest, SttSession, TextDelta, ToolCall, TtsChunk
from pipelines.stages import Usage as Told
from pipelines.usage import Usage, Used, added

CHARACTERS_PER_TOKEN = 4  # of ordinary text, as the vendors' rules of thumb have it

Said = tuple[str, int]  # a text given to the voice, and how many of its characters the caller heard


def name_of(named: Named[Any]) -> str:
    """As the price table knows it. Engines that nobody bills may have something else called `model`."""
    model = getattr(named.engine, "model", "")
    return f"{named.name}/{model}" if isinstance(model, str) and model else named.name


class Asked:
    """One request to a language model."""

    __slots__ = ("_characters", "_request", "_told", "name", "void", "wasted")

    def __init__(self, name: str, request: LlmRequest) -> None:
        self.name = name
        self.wasted = False
        self.void = True  # not sent yet, or refused: nobody is paid for that
        self._request = request
        self._told: Told | None = None
        self._characters = 0

    async def counted(self, events: AsyncGenerator[LlmEvent, None]) -> AsyncGenerator[LlmEvent, None]:
        self.void = False
        try:
            async with aclosing(events):
                async for event in events:
                    self._count(event)
                    yield event
        except StageError:
            self.void = self._told is None and not self._characters
            raise

    def _count(self, event: LlmEvent) -> None:
        if isinstance(event, TextDelta):
            self._characters += len(event.text)
        elif isinstance(event, ToolCall):
            self._characters += len(event.name) + len(msgspec.json.encode(event.arguments))
        elif isinstance(event, Told):
            self._told = event

    @property
    def answered(self) -> bool:
        return self._characters > 0

    def used(self) -> Used:
        told, estimated = self._told, 0
        if told is None:
            sent = sum(len(message.content) for message in self._request.messages)
            sent += len(msgspec.json.encode(self._request.tools)) if self._request.tools else 0
            told = Told(-(-sent // CHARACTERS_PER_TOKEN), -(-self._characters // CHARACTERS_PER_TOKEN))
            estimated = told.input_tokens + told.output_tokens
        return Used(
            input_tokens=told.input_tokens,
            cached_tokens=told.cached_tokens,
            output_tokens=told.output_tokens,
            wasted_tokens=told.input_tokens + told.output_tokens if self.wasted else 0,
            estimated_tokens=estimated,
        )


class Part:
    """What one voice was sent of a text: everything from `start` on."""

    __slots__ = ("lost", "name", "spoken_ms", "start", "void")

    def __init__(self, name: str, start: int) -> None:
        self.name = name
        self.start = start
        self.spoken_ms = 0.0
        self.lost = False  # a race: nothing of it is heard
        self.void = True  # not sent yet, or refused

    async def counted(
        self, chunks: AsyncGenerator[TtsChunk, None], audio_format: AudioFormat
    ) -> AsyncGenerator[TtsChunk, None]:
        self.void = False
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    self.spoken_ms += audio_format.duration_ms(len(chunk.audio))
                    yield chunk
        except StageError:
            self.void = not self.spoken_ms
            raise


class Spoken:
    """One text, and the voices that were asked to speak it, or the rest of it, in order."""

    __slots__ = ("parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: list[Part] = []

    def part(self, named: Named[Any], start: int) -> Part:
        part = Part(name_of(named), start)
        self.parts.append(part)
        return part

    def used(self, heard: int) -> list[tuple[str, Used]]:
        """`heard`: characters from the beginning on."""
        found, end = [], len(self.text)
        for part in reversed(self.parts):
            if part.void:
                continue
            sent = len(self.text) - part.start
            own = 0 if part.lost else max(min(heard, end) - part.start, 0)
            if not part.lost:
                end = part.start
            used = Used(spoken_characters=own, unheard_characters=sent - own, spoken_s=part.spoken_ms / 1000.0)
            found.append((part.name, used))
        return found


class Hearing:
    """One recogniser's session. Whoever feeds it counts the `bytes`, of 16-bit samples."""

    __slots__ = ("_bytes_per_s", "_session", "_taken_s", "bytes", "name")

    def __init__(self, name: str, session: SttSession, rate_hz: int) -> None:
        self.name = name
        self.bytes = 0
        self._session = session
        self._bytes_per_s = rate_hz * 2
        self._taken_s = 0.0

    def take_s(self) -> float:
        """Seconds that it was sent since this was asked last."""
        session = self._session
        sent_s = session.sent_s if isinstance(session, SendsAgain) else self.bytes / self._bytes_per_s
        taken_s, self._taken_s = sent_s - self._taken_s, sent_s
        return taken_s


class Meter:
    """One call's. What is counted belongs to the turn that is closed next, what the caller says to his own."""

    def __init__(self, prices: PriceTable | None = None) -> None:
        """Without prices, no cost is known."""
        self._prices = prices or PriceTable({})
        self._asked: list[Asked] = []
        self._spoken: list[Spoken] = []
        self._hearings: list[Hearing] = []
        self._heard: Usage = {}  # in the utterance that is being answered

    # --- from the fallbacks ---------------------------------------------------------------------------

    def asked(self, named: Named[Any], request: LlmRequest) -> Asked:
        """A model is being asked."""
        self._asked.append(asked := Asked(name_of(named), request))
        return asked

    def spoken(self, text: str) -> Spoken:
        """Voices are asked to speak this; it costs nothing before one was."""
        self._spoken.append(spoken := Spoken(text))
        return spoken

    def hearing(self, named: Named[Any], session: SttSession, rate_hz: int) -> Hearing:
        """A recogniser will be sent what the caller says."""
        self._hearings.append(hearing := Hearing(name_of(named), session, rate_hz))
        return hearing

    # --- from the minutes -----------------------------------------------------------------------------

    def committed(self) -> None:
        """The utterance is over: it belongs to the turn that answers it."""
        self._heard = added([self._heard, self._take_hearings()])

    def discarded(self) -> None:
        """Nothing that models wrote for this turn so far is wanted any more."""
        for asked in self._asked:
            asked.wasted = True

    def settle(self, said: Sequence[Said] = (), *, listening: bool = False) -> Usage:
        """The turn is over: what it used, priced. `listening`: the caller is speaking again, which is another turn."""
        shares = [self._heard, {} if listening else self._take_hearings()]
        shares += [{asked.name: asked.used()} for asked in self._asked if not asked.void]
        waiting = list(said)
        for spoken in self._spoken:
            heard = next((one for one in waiting if one[1] and spoken.text.startswith(one[0])), None)
            if heard is not None:
                waiting.remove(heard)
            shares += [{name: used} for name, used in spoken.used(heard[1] if heard else 0)]
        self._asked, self._spoken, self._heard = [], [], {}
        return {name: self._priced(name, used) for name, used in added(shares).items() if used}

    def _take_hearings(self) -> Usage:
        return added({hearing.name: Used(heard_s=hearing.take_s())} for hearing in self._hearings)

    def _priced(self, name: str, used: Used) -> Used:
        rounded = msgspec.structs.replace(used, spoken_s=round(used.spoken_s, 3), heard_s=round(used.heard_s, 3))
        return msgspec.structs.replace(rounded, cost_microusd=self._prices.cost_microusd(name, rounded))
