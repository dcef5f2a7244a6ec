"""May an answer be begun before the caller's turn is certain, and what did that gain and cost.

Two rules. Every start is settled exactly once: heard, or wasted. What does not pay is left off for some turns
and then tried again. It knows neither engines nor audio; turns are counted, not timed.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import msgspec

from config.schema import TurnPolicy
from pipelines.machines.words import words_of

REMEMBERED = 8  # newest outcomes that are judged
ENOUGH = 4  # outcomes before the first judgement
ENOUGH_AGAIN = 2  # and after each rest
WORTH_MS = 10.0  # a start that saves less than this on average pays for nobody: it is not noticed
MS_PER_TOKEN = 0.02  # what a wasted token has to earn: a thousand of them 20 ms
REST_TURNS = 4
LONGEST_REST_TURNS = 32


class Ledger(msgspec.Struct, frozen=True, omit_defaults=True):
    """What speculation did: in a turn, a call, for an agent. Sums."""

    hits: int = 0  # answers begun early that were heard
    misses: int = 0  # thrown away
    saved_ms: float = 0.0  # that callers did not wait because generation had begun before the turn's end
    tokens_wasted: int = 0  # of the model, in and out; estimated where it does not say
    characters_wasted: int = 0  # given to the voice and never heard

    @property
    def started(self) -> int:
        return self.hits + self.misses

    def __add__(self, other: Ledger) -> Ledger:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Ledger(*(mine + theirs for mine, theirs in pairs))


class Speculation:
    """One call's policy. `start` asks for leave; every leave given is answered with `settle`."""

    def __init__(self, policy: TurnPolicy) -> None:
        self._enabled = policy.speculation
        self._cap = policy.speculations_per_turn
        self._tokens_left = policy.speculation_tokens
        self._turn = -1
        self._tried: list[list[str]] = []  # in this turn
        self._outcomes: deque[Ledger] = deque(maxlen=REMEMBERED)
        self._enough = ENOUGH
        self._resting = 0  # turns
        self._rest = REST_TURNS

    def start(self, turn: int, text: str) -> bool:
        """The caller paused in this turn after this text: may its answer be begun? A text only once a turn."""
        if turn != self._turn:
            self._turn = turn
            self._tried.clear()
            self._resting = max(0, self._resting - 1)
        words = words_of(text)
        if not self._enabled or not words or self._resting or self._tokens_left <= 0:
            return False
        if len(self._tried) >= self._cap or words in self._tried:
            return False
        self._tried.append(words)
        return True

    def settle(self, outcome: Ledger) -> None:
        """What became of a start: one hit or one miss."""
        self._tokens_left -= outcome.tokens_wasted
        self._outcomes.append(outcome)
        if len(self._outcomes) < self._enough:
            return
        if self._pays():
            self._enough, self._rest = ENOUGH, REST_TURNS
        else:
            self._outcomes.clear()
            self._enough = ENOUGH_AGAIN
            self._resting = self._rest
            self._rest = min(2 * self._rest, LONGEST_REST_TURNS)

    def _pays(self) -> bool:
        """Medians, so that one slow answer or one long prompt does not decide; the rate as Laplace estimates it."""
        saved = [one.saved_ms for one in self._outcomes if one.hits]
        wasted = [one.tokens_wasted for one in self._outcomes if one.misses]
        if not saved:
            return False
        rate = (len(saved) + 1) / (len(self._outcomes) + 2)
        cost = (1 - rate) * median(wasted) * MS_PER_TOKEN if wasted else 0.0
        return rate * median(saved) >= WORTH_MS + cost
