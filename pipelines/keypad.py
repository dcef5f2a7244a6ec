"""Keys pressed by the caller, gathered into an entry: "#" ends it, and so does a pause."""

from __future__ import annotations

ENTRY_PAUSE_MS = 1500.0
LONGEST_ENTRY = 32


class Keypad:
    """Time is call time in milliseconds."""

    def __init__(self) -> None:
        self._digits = ""
        self._pressed_ms = 0.0
        self._closed = False

    def press(self, digit: str, at_ms: float) -> None:
        if digit == "#":
            self._closed = True
        elif len(self._digits) < LONGEST_ENTRY:
            self._digits += digit
        self._pressed_ms = at_ms

    def finished(self, now_ms: float) -> str:
        """The entry, once; "" while there is none."""
        if not self._digits or not (self._closed or now_ms - self._pressed_ms >= ENTRY_PAUSE_MS):
            return ""
        entry, self._digits, self._closed = self._digits, "", False
        return " ".join(entry)
