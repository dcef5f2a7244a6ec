"""A deterministic receptionist behind the language model's protocol: rules instead of weights.

Stateless over the history: where the dialogue stands is recomputed from the messages of each request,
so speculation, interrupted replies and replay are safe. A bounded cache of prefixes saves the recomputing.
"""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import msgspec

from pipelines.brain.policy import step
from pipelines.brain.state import Desk, Outcome, State
from pipelines.brain.wording import wording
from pipelines.registry import ProviderSpec
from pipelines.stages import Hint, LlmEvent, LlmRequest, Message, TextDelta


class ReceptionistOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cache_entries: int = 2048  # dialogue states kept, about 2 kB each


class Receptionist:
    """Implements `Llm`. Shared by all calls of a process; keeps nothing that it could not recompute."""

    def __init__(self, options: ReceptionistOptions) -> None:
        self._limit = options.cache_entries
        self._states: OrderedDict[bytes, State] = OrderedDict()

    def decide(self, request: LlmRequest) -> Outcome:
        """What to say and which tools to run after the request's last message. Pure."""
        history = [m for m in request.messages if m.role != "system"]
        keys = self._keys(request, history)
        known = next((n for n in range(len(keys), 0, -1) if keys[n - 1] in self._states), 0)
        state = copy.copy(self._states[keys[known - 1]]) if known else State()
        desk = Desk(
            state,
            now=request.now or datetime.now(UTC),
            language=request.language,
            facts=request.facts,
            tools=frozenset(tool.name for tool in request.tools),
            wording=wording(request.language),
        )
        for key, message in zip(keys[known:], history[known:], strict=True):
            step(desk, message)
            self._remember(key, copy.copy(state))
        return state.outcome if history and history[-1].role in ("user", "tool") else Outcome()

    def _keys(self, request: LlmRequest, history: list[Message]) -> list[bytes]:
        """One digest a message, each covering everything before it and what the request brings."""
        now = request.now.isoformat() if request.now else ""
        frame = (request.language, now, request.facts, [tool.name for tool in request.tools])
        digest = hashlib.blake2b(_bytes(frame), digest_size=16)
        keys = []
        for message in history:
            digest.update(_bytes(message))
            keys.append(digest.digest())
        return keys

    def _remember(self, key: bytes, state: State) -> None:
        self._states[key] = state
        self._states.move_to_end(key)
        if len(self._states) > self._limit:
            self._states.popitem(last=False)

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        outcome = self.decide(request)
        if outcome.expect is not None:
            yield Hint(outcome.expect)
        for number, word in enumerate(outcome.text.split()):
            yield TextDelta(word if number == 0 else f" {word}")
        for call in outcome.calls:
            yield call

    async def close(self) -> None:
        self._states.clear()


def _bytes(value: object) -> bytes:
    """A value's written form; unlike an encoder it takes any text, lone surrogates too."""
    return repr(value).encode("utf-8", "backslashreplace")


async def _make(options: ReceptionistOptions) -> Receptionist:
    return Receptionist(options)


PROVIDER = ProviderSpec(name="receptionist", options=ReceptionistOptions, llm=_make)
