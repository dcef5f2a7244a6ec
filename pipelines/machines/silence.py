"""How long silence may last, and what is due then: a filler while an answer is owed, a question to a quiet caller.

Two rules. A caller's silence counts from the end of what was last heard, never from when it was sent.
The caller's patience counts from his last word, or from the agent's: the wait for the end of his turn was silence too.
It speaks nothing itself; time is an argument, in call time.
"""

from __future__ import annotations

from config.schema import CallLimits, TurnPolicy

NOTICE_MS = 120.0  # to notice that it is time, which happens each 100 ms, and to be on the line
FILLER_MS = 300.0  # for a voice to make a filler, besides; what it is already making may need that as well
FILLER_AFTER_MS = 100.0  # thinking that needs no excuse, however long the wait before it was


class Silence:
    """One call's deadlines of silence."""

    __slots__ = (
        "_excused_until_ms",
        "_longest_ms",
        "_max_reprompts",
        "_owed_since_ms",
        "_patience_ms",
        "_quiet_since_ms",
        "reprompts",
    )

    def __init__(self, policy: TurnPolicy, limits: CallLimits) -> None:
        self._patience_ms = policy.unexplained_silence_ms - NOTICE_MS
        self._longest_ms = limits.caller_silence_s * 1000.0
        self._max_reprompts = limits.max_reprompts
        self._quiet_since_ms = 0.0
        self._owed_since_ms = 0.0
        self._excused_until_ms = 0.0
        self.reprompts = 0  # since the caller's last turn

    # --- the agent's --------------------------------------------------------------------------------

    def thinking(self, now_ms: float, caller_ended_ms: float | None) -> None:
        """An answer is being sought. `caller_ended_ms`: the last sample of speech, None when keys were pressed."""
        self._owed_since_ms = now_ms if caller_ended_ms is None else caller_ended_ms
        self._excused_until_ms = now_ms + FILLER_AFTER_MS

    def speaking_unasked(self, now_ms: float) -> None:
        """A fixed text is about to be spoken: it waits for nothing but the voice."""
        self._owed_since_ms = self._excused_until_ms = now_ms

    def filler_due(self, now_ms: float, heard_until_ms: float, *, at_voice: bool) -> bool:
        """While the agent owes words. `heard_until_ms`: the end of what was heard of him; `at_voice`: the next words
        are being made, so that they get a little longer."""
        since_ms = max(self._owed_since_ms, heard_until_ms)
        patience_ms = self._patience_ms if at_voice else self._patience_ms - FILLER_MS
        return now_ms >= max(since_ms + patience_ms, self._excused_until_ms)

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
