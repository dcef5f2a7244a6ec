"""What the model is told has been said: exactly what was heard, never what was only generated."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pipelines.brain.dialogue import as_heard
from pipelines.stages import Message


class _Exchange(msgspec.Struct):
    """`added` is what the reply appends; a tool that outlives a cancelled reply still adds its result."""

    caller: Message | None
    added: list[Message]
    heard: str = ""
    interrupted: bool = False
    closed: bool = False

    def messages(self) -> list[Message]:
        said = [self.caller] if self.caller is not None else []
        if not self.closed:
            return said
        added = as_heard(_answered(self.added), self.heard, interrupted=self.interrupted)
        if self.heard and not any(m.role == "assistant" and m.content for m in added):
            added.append(Message("assistant", self.heard, interrupted=self.interrupted))
        return said + added


def _answered(added: list[Message]) -> list[Message]:
    """Without calls that have no result (the reply was cancelled meanwhile): a model would refuse them."""
    results = {m.tool_call_id for m in added if m.role == "tool"}
    kept = []
    for message in added:
        calls = tuple(call for call in message.tool_calls if call.id in results)
        if message.role == "tool" or message.content or calls:
            kept.append(msgspec.structs.replace(message, tool_calls=calls))
    return kept


class History:
    """One call's messages. A caller's turn stays provisional until the reply to it was heard or broken off."""

    def __init__(self, system_prompt: str, has_side_effect: Callable[[str], bool]) -> None:
        self._has_side_effect = has_side_effect  # of a tool, by its name
        self._system = Message("system", system_prompt)
        self._exchanges: list[_Exchange] = []

    def messages(self) -> list[Message]:
        return [self._system, *(m for exchange in self._exchanges for m in exchange.messages())]

    @property
    def acted(self) -> bool:
        """The running reply has called a tool that does something: the caller's turn cannot be taken back."""
        last = self._exchanges[-1] if self._exchanges else None
        if last is None or last.closed:
            return False
        return any(self._has_side_effect(call.name) for m in last.added for call in m.tool_calls)

    def caller_said(self, text: str, added: list[Message]) -> None:
        """`added`: where the running reply appends its tool calls, results and texts."""
        self._exchanges.append(_Exchange(Message("user", text), added))

    def take_back(self) -> None:
        """The caller went on speaking: the turn was not over."""
        if self._exchanges and not self._exchanges[-1].closed:
            self._exchanges.pop()

    def agent_said(self, heard: str, interrupted: bool) -> None:
        """The exchange is over: it becomes history, with the words that reached the caller."""
        exchange = self._open()
        exchange.heard, exchange.interrupted, exchange.closed = heard, interrupted, True

    def _open(self) -> _Exchange:
        if not self._exchanges or self._exchanges[-1].closed:
            self._exchanges.append(_Exchange(None, []))
        return self._exchanges[-1]
