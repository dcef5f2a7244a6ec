"""How long silence may last, and what is due then: a filler while the agent thinks, a question to a quiet caller.

Two rules. A caller's silence counts from the end of what was last heard, never from when it was sent.
The caller's patience counts from his last word: the wait for the end of his turn was silence too.
It speaks nothing itself; time is an argument, in call time.
"""

from __future__ import annotations

import math

from config.schema import CallLimits, TurnPolicy

FILLER_MS = 250.0  # to notice that it is time, and for the filler to be audible
FILLER_AFTER_MS = 200.0  # thinking that needs no excuse, however long the wait before it was


class Silence:
    """One call's deadlines of silence."""

    def __init__(self, policy: TurnPolicy, limits: CallLimits) -> None:
        self._patience_ms = policy.unexplained_silence_ms - FILLER_MS
        self._longest_ms = limits.caller_silence_s * 1000.0
        self._max_reprompts = limits.max_reprompts
        self._quiet_since_ms = 0.0
        self._filler_due_ms = 0.0
        self.reprompts = 0  # since the caller's last turn

    # --- the agent's --------------------------------------------------------------------------------

    def thinking(self, now_ms: float, caller_ended_ms: float | None) -> None:
        """An answer is being sought. `caller_ended_ms`: the last sample of speech, None when keys were pressed."""
        silent_since = now_ms if caller_ended_ms is None else caller_ended_ms
        self._filler_due_ms = max(now_ms + FILLER_AFTER_MS, silent_since + self._patience_ms)

    def speaking_unasked(self) -> None:
        """A fixed text has nothing to wait for but the voice."""
        self._filler_due_ms = math.inf

    def filler_due(self, now_ms: float) -> bool:
        return now_ms > self._filler_due_ms

    # --- the caller's -------------------------------------------------------------------------------

    def quiet_since(self, at_ms: float) -> None:
        """Then the agent was last heard, or a key was pressed."""
        self._quiet_since_ms = at_ms

    def caller_spoke(self) -> None:
        """A turn was committed: a caller who falls silent again is asked as often as before."""
        self.reprompts = 0

    def caller_silent(self, now_ms: float) -> bool:
        return now_ms - self._quiet_since_ms > self._longest_ms

    def ask_again(self, now_ms: float) -> bool:
        """The caller was silent for too long. False when he was asked often enough."""
        self._quiet_since_ms = now_ms
        if self.reprompts >= self._max_reprompts:
            return False
        self.reprompts += 1
        return True
