"""What one server process needs of the others that share its port. Alone, there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Fellows(Protocol):
    def tell(self, topic: str, value: str) -> None:
        """Let all others know. Does not wait."""
        ...

    def on_told(self, topic: str, heard: Callable[[str], None]) -> None: ...

    async def ask(self, question: str, argument: str = "") -> list[str]:
        """The others' answers; those that do not answer in time are left out."""
        ...

    def on_asked(self, question: str, answer: Callable[[str], str]) -> None: ...


class Alone:
    """A server of one process."""

    def tell(self, topic: str, value: str) -> None:
        pass

    def on_told(self, topic: str, heard: Callable[[str], None]) -> None:
        pass

    async def ask(self, question: str, argument: str = "") -> list[str]:
        return []

    def on_asked(self, question: str, answer: Callable[[str], str]) -> None:
        pass
