"""How long to wait in a silence before the caller's turn counts as over.

One formula, re-computed whenever something is learnt: what was said so far, what the agent had asked, how
this caller pauses, and what a detector heard. It knows no audio and no clock.
"""

from __future__ import annotations

import math
from copy import copy

from config.schema import TurnPolicy
from pipelines.machines.completeness import End, judge
from pipelines.machines.odds import log_odds, weights
from pipelines.machines.pauses import PauseEstimate
from pipelines.machines.words import word_lists
from pipelines.stages import Expect

# A wait t costs t at an end, and a false cut-off wherever a pause is longer. With p the probability of an end, f the
# density of the pauses inside turns and c the cost of a cut-off, the expected cost is least where p = (1 - p) c f(t).
# Such pauses fall off as a power of their length (those of people talking to agents, published with LiveKit's
# eot-bench, as f ~ t^-2.4 between 0.2 and 2 s), and the wait is so the odds of going on to the power of 1/2.4.
SLOPE = 1 / 2.4
USUAL_ODDS = 1.5  # log odds of an ordinary end of a turn: there the wait is the agent's base
DETECTOR_REACH = 2.6  # log odds that a detector which is sure adds or takes away
ASKED_REACH = 0.7  # a question that rises is not less likely over than this: questions do


class Patience:
    """The wait for the end of a turn, in milliseconds of silence since the last sample of speech."""

    __slots__ = (
        "_base_ms",
        "_before",
        "_caller",
        "_detected",
        "_end",
        "_ended_odds",
        "_expect",
        "_length",
        "_limits",
        "_lists",
        "_odds",
        "_opening",
        "_wait_ms",
    )

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._base_ms = float(policy.base_wait_ms)
        self._limits = (float(policy.min_wait_ms), float(policy.max_wait_ms))
        self._lists = word_lists(language)
        self._caller = self._before = PauseEstimate()
        self._expect = Expect.ANYTHING
        self._length = 0
        self._opening = True
        self._odds = self._ended_odds = 0.0  # of the words so far; of the turn before
        self._forget()

    def wait_ms(self) -> float:
        return self._wait_ms

    def expect(self, expect: Expect, length: int = 0) -> None:
        """What the agent's last question asked for, and how many digits a number will have, 0 when unknown."""
        self._expect, self._length = expect, length

    def new_turn(self) -> None:
        self._forget()

    def turn_ended(self) -> None:
        """The wait is over."""
        self._ended_odds = self._odds
        self._caller.ended(_likely(self._odds))
        self._opening = False
        self._forget()

    def guessed(self, text: str) -> None:
        """A hypothesis from before the pause: its last words may be missing, so it never shortens the wait."""
        odds = self._judge(text)
        if odds < self._odds:
            self._odds = odds
            self._settle()

    def heard(self, text: str) -> None:
        """The text of everything up to the pause."""
        self._end = judge(text, self._lists, self._expect, self._length)
        self._odds = self._judge(text)
        self._settle()

    def detected(self, probability: float) -> None:
        """What a detector says, 0…1: is the turn over?"""
        self._detected = DETECTOR_REACH * (2.0 * min(max(probability, 0.0), 1.0) - 1.0)
        self._settle()

    def paused_inside_turn(self, pause_ms: float) -> None:
        """The caller went on after a pause of this length: waits adapt to it."""
        self._before = copy(self._caller)
        self._caller.went_on(_likely(self._odds), pause_ms)
        self._forget()

    def paused_on(self) -> None:
        """He did not: what was heard in the pause was a noise."""
        self._caller = self._before
        self._settle()

    def cut_off(self, pause_ms: float) -> None:
        """The turn before was not over: its caller went on after a pause of this length."""
        self._caller.cut_off(_likely(self._ended_odds), pause_ms)
        self._settle()

    def cut_off_after(self, wait_ms: float) -> None:
        """The turn before was not over; the agent spoke into a pause that would have outlasted this wait."""
        self._caller.cut_off_after(_likely(self._ended_odds), wait_ms)
        self._settle()

    def _judge(self, text: str) -> float:
        return log_odds(text, self._lists, self._expect, self._length, opening=self._opening)

    def _forget(self) -> None:
        self._end = End.UNKNOWN
        self._odds = weights()["unknown"]
        self._detected = 0.0
        self._settle()

    def _settle(self) -> None:
        detected = max(self._detected, -ASKED_REACH) if self._end is End.ASKED else self._detected
        odds = self._odds + detected + self._caller.sureness() - USUAL_ODDS
        shortest, longest = self._limits
        wait_ms = self._base_ms * math.exp(-SLOPE * odds) * self._caller.stretch()
        self._wait_ms = min(max(wait_ms, shortest), longest)


def _likely(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
