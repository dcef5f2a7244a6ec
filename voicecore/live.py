"""The calls that are in conversation and whoever listens to one, over all processes of a server.

Processes ask each other for a call and tell each other what is said in theirs. It knows no socket and no database.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from pipelines.errors import Overloaded
from pipelines.events import EndReason
from voicecore.fellows import Fellows

HANG_UP, LEAVING, STAYING = "hang_up", "leaving", "staying"  # questions
SAID, OVER = "said", "over"  # news
MOST_LISTENERS = 16  # to one call, per process


class Talking(Protocol):
    """A call of this process."""

    @property
    def call_id(self) -> str:
        """ "" until it has a row."""
        ...

    def say_goodbye(self, reason: EndReason) -> bool:
        """False: it does not talk."""
        ...

    def leave(self, leaving: bool) -> bool:
        """Is its next end a transfer? False: it does not talk."""
        ...


class Listener(Protocol):
    def said(self, role: str, text: str) -> None: ...

    def over(self) -> None:
        """The call has ended; nothing more comes."""
        ...


class _Said(msgspec.Struct, array_like=True):
    call_id: str
    role: str
    text: str


class LiveCalls:
    """One process's calls, and how those of its fellows are reached."""

    def __init__(self, fellows: Fellows) -> None:
        self._fellows = fellows
        self._talking: set[Talking] = set()
        self._listeners: dict[str, set[Listener]] = {}
        fellows.on_asked(HANG_UP, lambda call_id: "yes" if self._hang_up(call_id) else "")
        fellows.on_asked(LEAVING, lambda call_id: "yes" if self._leave(call_id, True) else "")
        fellows.on_asked(STAYING, lambda call_id: "yes" if self._leave(call_id, False) else "")
        fellows.on_told(SAID, self._said_elsewhere)
        fellows.on_told(OVER, self._over)

    # --- calls --------------------------------------------------------------------------------------

    def add(self, call: Talking) -> None:
        self._talking.add(call)

    def discard(self, call: Talking) -> None:
        self._talking.discard(call)

    async def hang_up(self, call_id: str) -> bool:
        """End a running call after a closing sentence, whichever process has it. False: nobody has it."""
        return self._hang_up(call_id) or any(await self._fellows.ask(HANG_UP, call_id))

    async def leaving(self, call_id: str, leaving: bool) -> bool:
        """The agent is about to leave a call to somebody else, or is not after all. False: nobody has it."""
        if self._leave(call_id, leaving):
            return True
        return any(await self._fellows.ask(LEAVING if leaving else STAYING, call_id))

    def _hang_up(self, call_id: str) -> bool:
        return any(call.say_goodbye(EndReason.AGENT_HANGUP) for call in self._named(call_id))

    def _leave(self, call_id: str, leaving: bool) -> bool:
        return any(call.leave(leaving) for call in self._named(call_id))

    def _named(self, call_id: str) -> list[Talking]:
        return [call for call in self._talking if call.call_id == call_id]

    # --- listeners ----------------------------------------------------------------------------------

    def listen(self, call_id: str, listener: Listener) -> None:
        """Raises Overloaded: there are enough."""
        listeners = self._listeners.setdefault(call_id, set())
        if len(listeners) >= MOST_LISTENERS:
            raise Overloaded(f"{MOST_LISTENERS} clients listen to this call already")
        listeners.add(listener)

    def unlisten(self, call_id: str, listener: Listener) -> None:
        listeners = self._listeners.get(call_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(call_id, None)

    def said(self, call_id: str, role: str, text: str) -> None:
        """In a call of this process."""
        self._deliver(call_id, role, text)
        self._fellows.tell(SAID, msgspec.json.encode(_Said(call_id, role, text)).decode())

    def over(self, call_id: str) -> None:
        """Of a call of this process, or of one that never came to talk."""
        self._over(call_id)
        self._fellows.tell(OVER, call_id)

    def close(self) -> None:
        """Let every listener go."""
        for call_id in list(self._listeners):
            self._over(call_id)

    def _deliver(self, call_id: str, role: str, text: str) -> None:
        for listener in list(self._listeners.get(call_id, ())):
            listener.said(role, text)

    def _said_elsewhere(self, value: str) -> None:
        said = msgspec.json.decode(value, type=_Said)
        self._deliver(said.call_id, said.role, said.text)

    def _over(self, call_id: str) -> None:
        for listener in list(self._listeners.get(call_id, ())):
            listener.over()
