"""How long and how often this caller pauses at places of one kind, against callers in general: a Bayesian estimate.

Log pauses of a caller scatter around his own mean, and the means scatter over callers; a few pauses say
where his lies. It keeps three running sums, is robust against a single odd pause, and knows no words.
"""

from __future__ import annotations

import math

# Logarithms of pauses between 0.2 and 2 s, as within-speaker and between-speaker spread of log-normal
# pause models (Campione & Véronis 2002 find pauses log-normal, Heldner & Edlund 2010 in dialogue).
WITHIN = 0.45
BETWEEN = 0.5
QUANTILE_Z = 0.84  # the wait outlasts 80 % of the pauses that are expected
OUTLIER_Z = 2.0  # an observation counts as at most so many standard deviations from the estimate
STRETCH = (0.75, 2.5)
ENDS_BEFOREHAND = 4.0  # turns that ended at such a place, as if seen before the call


class PauseEstimate:
    """Conjugate normal estimate of the mean log pause, relative to what callers in general do at such a place."""

    __slots__ = ("_ends", "_sum", "_weight")

    def __init__(self) -> None:
        self._ends = ENDS_BEFOREHAND
        self._weight = 0.0
        self._sum = 0.0

    def observed(self, pause_ms: float, usual_ms: float, weight: float = 1.0) -> None:
        """A pause of this length, where `usual_ms` is usual; `weight` 0…1: how much it says."""
        self._add(math.log(pause_ms / usual_ms), weight)

    def outlasted(self, wait_ms: float, usual_ms: float, weight: float = 1.0) -> None:
        """A pause was longer than this wait; by how much was not to be seen (right-censored)."""
        mean, spread = self._predict()
        z = (math.log(wait_ms / usual_ms) - mean) / spread
        # The mean of a normal distribution beyond z: its density over its tail.
        beyond = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / max(1e-6, 0.5 * math.erfc(z / math.sqrt(2)))
        self._add(mean + spread * beyond, weight)

    def ended(self, turns: int = 1) -> None:
        """So many turns were over at such a place; -1: one was not, after all."""
        self._ends += turns

    def covering_ms(self, usual_ms: float) -> float:
        """The wait that outlasts this caller's pauses, in so far as he pauses where others would be done."""
        mean, spread = self._predict()
        goes_on = min(1.0, 2 * self._weight / (self._weight + self._ends))
        return goes_on * usual_ms * math.exp(mean + QUANTILE_Z * spread)

    def stretch(self) -> float:
        """The factor by which this caller's upper pauses differ from everybody's; 1 before anything is known."""
        mean, spread = self._predict()
        prior = math.hypot(WITHIN, BETWEEN)
        return min(max(math.exp(mean + QUANTILE_Z * (spread - prior)), STRETCH[0]), STRETCH[1])

    def _predict(self) -> tuple[float, float]:
        """Mean and standard deviation of this caller's next log pause."""
        precision = self._weight / WITHIN**2 + 1 / BETWEEN**2
        return self._sum / WITHIN**2 / precision, math.sqrt(WITHIN**2 + 1 / precision)

    def _add(self, log_ratio: float, weight: float) -> None:
        mean, spread = self._predict()
        reach = OUTLIER_Z * spread
        self._weight += weight
        self._sum += weight * min(max(log_ratio, mean - reach), mean + reach)
