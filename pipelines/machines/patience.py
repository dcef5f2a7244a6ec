"""How long to wait in a silence before the caller's turn counts as over.

One number, re-computed whenever something is learnt: what was said so far, what the agent had asked, how
long this caller's own pauses are, and what a detector heard. It knows no audio and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from config.schema import TurnPolicy
from pipelines.machines.completeness import End, judge
from pipelines.machines.pauses import PauseEstimate
from pipelines.machines.words import word_lists
from pipelines.stages import Expect

REFERENCE_MS = 550.0  # the base wait for which `WAITS_MS` was measured


class Manner(msgspec.Struct, frozen=True):
    """How an end is waited for. The shape is that of human turns: gaps between speakers have a mode of about 200 ms
    (Stivers et al. 2009), pauses inside a turn after an unfinished phrase last a second and more."""

    wait_ms: float  # at the reference base
    follows: float  # 0…1, how far it follows the base wait: an impatient agent, too, lets a number be finished
    usual_ms: float  # median of the pauses that are made here when the turn goes on after all
    # What a pause here says about the waits (0…1) after something that sounds finished, undecided, unfinished
    says: tuple[float, float, float]
    estimate: int  # which of these three this end itself is


MANNERS = {
    End.CLOSED: Manner(330.0, 1.0, 450.0, (1.0, 1.0, 1.0), 0),
    End.ASKED: Manner(430.0, 1.0, 500.0, (1.0, 1.0, 1.0), 0),
    End.COMPLETE: Manner(430.0, 1.0, 500.0, (1.0, 1.0, 1.0), 0),
    End.LEANING: Manner(720.0, 1.0, 550.0, (0.5, 1.0, 1.0), 1),
    End.UNKNOWN: Manner(825.0, 1.0, 550.0, (0.8, 1.0, 1.0), 1),
    End.LISTING: Manner(840.0, 0.7, 600.0, (0.0, 0.5, 1.0), 1),
    End.OPEN: Manner(2000.0, 0.3, 700.0, (0.0, 0.2, 1.0), 2),
    End.HESITATING: Manner(2100.0, 0.3, 900.0, (0.0, 0.2, 1.0), 2),
}
UNFINISHED = 2  # the estimate of those that cannot be over: quick callers, too, get their time there
SHORTEST_PAUSE_MS = 250.0  # shorter silences are closures of consonants and breaths: they say nothing
DETECTOR_REACH = 1.1  # a detector that is sure divides or multiplies the wait by e to this, by 3
ASKED_REACH = 0.3  # and a question that rises waits no longer than this: it may well be over


class Patience:
    """The wait for the end of a turn, in milliseconds of silence since the last sample of speech."""

    __slots__ = (
        "_base",
        "_detected",
        "_end",
        "_ended",
        "_estimates",
        "_expect",
        "_length",
        "_limits",
        "_lists",
        "_wait_ms",
    )

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._base = policy.base_wait_ms / REFERENCE_MS
        self._limits = (float(policy.min_wait_ms), float(policy.max_wait_ms))
        self._lists = word_lists(language)
        self._estimates = (PauseEstimate(), PauseEstimate(), PauseEstimate())
        self._expect = Expect.ANYTHING
        self._length = 0
        self._end = self._ended = End.UNKNOWN  # of the words so far; of the turn before
        self._detected = 0.0
        self._settle()

    def wait_ms(self) -> float:
        return self._wait_ms

    @property
    def end(self) -> End:
        """What the words so far were judged to be."""
        return self._end

    def expect(self, expect: Expect, length: int = 0) -> None:
        """What the agent's last question asked for, and how many digits a number will have, 0 when unknown."""
        self._expect, self._length = expect, length
        self._settle()

    def new_turn(self) -> None:
        self._forget()

    def turn_ended(self) -> None:
        """The wait is over."""
        self._ended = self._end
        self._estimates[MANNERS[self._end].estimate].ended()
        self._forget()

    def guessed(self, text: str) -> None:
        """A hypothesis from before the pause: its last words may be missing, so it never shortens the wait."""
        end = judge(text, self._lists, self._expect, self._length)
        if MANNERS[end].wait_ms > MANNERS[End.UNKNOWN].wait_ms:
            self._end = end
            self._settle()

    def heard(self, text: str) -> None:
        """The text of everything up to the pause."""
        self._end = judge(text, self._lists, self._expect, self._length)
        self._settle()

    def detected(self, probability: float) -> None:
        """What a detector says, 0…1: is the turn over?"""
        self._detected = DETECTOR_REACH * (1.0 - 2.0 * min(max(probability, 0.0), 1.0))
        self._settle()

    def paused_inside_turn(self, pause_ms: float) -> None:
        """The caller went on after a pause of this length: waits adapt to it."""
        if pause_ms >= SHORTEST_PAUSE_MS:
            self._learn(self._end, pause_ms, PauseEstimate.observed)
        self._forget()

    def cut_off(self, pause_ms: float) -> None:
        """The turn before was not over: its caller went on after a pause of this length."""
        self._estimates[MANNERS[self._ended].estimate].ended(-1)
        self._learn(self._ended, pause_ms, PauseEstimate.observed)

    def cut_off_after(self, wait_ms: float) -> None:
        """The turn before was not over; the agent spoke into a pause that would have outlasted this wait."""
        self._estimates[MANNERS[self._ended].estimate].ended(-1)
        self._learn(self._ended, wait_ms, PauseEstimate.outlasted)

    def _learn(self, end: End, pause_ms: float, how: Callable[[PauseEstimate, float, float, float], None]) -> None:
        manner = MANNERS[end]
        for estimate, weight in zip(self._estimates, manner.says, strict=True):
            if weight:
                how(estimate, pause_ms, manner.usual_ms, weight)
        self._settle()

    def _forget(self) -> None:
        self._end = End.UNKNOWN
        self._detected = 0.0
        self._settle()

    def _settle(self) -> None:
        manner = MANNERS[self._end]
        own = self._estimates[manner.estimate]
        stretch = own.stretch() if manner.estimate < UNFINISHED else max(1.0, own.stretch())
        wait = max(manner.wait_ms * float(self._base**manner.follows) * stretch, own.covering_ms(manner.usual_ms))
        shift = min(self._detected, ASKED_REACH) if self._end is End.ASKED else self._detected
        shortest, longest = self._limits
        self._wait_ms = min(max(wait * math.exp(shift), shortest), longest)
