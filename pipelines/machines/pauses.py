"""How long and how often this caller pauses inside his turns, against callers in general: two Bayesian estimates.

Log pauses of a caller scatter around his own mean, and the means scatter over callers; a few pauses say
where his lies. It keeps running sums, is robust against a single odd pause, and knows no words.
"""

from __future__ import annotations

import math

# Logarithms of pauses between 0.2 and 2 s, as within-speaker and between-speaker spread of log-normal
# pause models (Campione & Véronis 2002 find pauses log-normal, Heldner & Edlund 2010 in dialogue).
WITHIN = 0.45
BETWEEN = 0.5
USUAL_MS = 500.0  # median of the pauses of SHORTEST_MS and more
SHORTEST_MS = 250.0  # shorter silences are closures of consonants and breaths: they say nothing
QUANTILE_Z = 0.84  # the wait outlasts 80 % of the pauses that are expected
OUTLIER_Z = 2.0  # an observation counts as at most so many standard deviations from the estimate
STRETCH = (0.75, 2.5)
HOLDS_BEFOREHAND = 1.0  # as many as expected, as if seen before the call
SURENESS = (-2.5, 0.5)  # the shift of the log odds: a fluent caller may still pause once


class PauseEstimate:
    """`stretch`: conjugate normal estimate of the mean log pause. `sureness`: gamma-Poisson estimate of how many of the
    pauses at which the model expected no end, or an end, were none."""

    __slots__ = ("_expected", "_holds", "_sum", "_weight")

    def __init__(self) -> None:
        self._weight = 0.0
        self._sum = 0.0
        self._expected = self._holds = HOLDS_BEFOREHAND

    def went_on(self, likely_over: float, pause_ms: float) -> None:
        """A pause of this length was none of the ends, although it was one with this probability (0…1)."""
        if pause_ms >= SHORTEST_MS:
            self._expected += 1 - likely_over
            self._held(likely_over, math.log(pause_ms / USUAL_MS))

    def ended(self, likely_over: float) -> None:
        """The turn was taken for over."""
        self._expected += 1 - likely_over

    def cut_off(self, likely_over: float, pause_ms: float) -> None:
        """It was not, after all: the caller went on after a pause of this length."""
        self._held(likely_over, math.log(max(SHORTEST_MS, pause_ms) / USUAL_MS))

    def cut_off_after(self, likely_over: float, wait_ms: float) -> None:
        """It was not, but the agent spoke into the pause: that was longer than this wait, by how much was not to be
        seen (right-censored)."""
        mean, spread = self._predict()
        z = (math.log(wait_ms / USUAL_MS) - mean) / spread
        # The mean of a normal distribution beyond z: its density over its tail.
        beyond = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / max(1e-6, 0.5 * math.erfc(z / math.sqrt(2)))
        self._held(likely_over, mean + spread * beyond)

    def stretch(self) -> float:
        """The factor by which this caller's upper pauses differ from everybody's; 1 before anything is known."""
        mean, spread = self._predict()
        prior = math.hypot(WITHIN, BETWEEN)
        return min(max(math.exp(mean + QUANTILE_Z * (spread - prior)), STRETCH[0]), STRETCH[1])

    def sureness(self) -> float:
        """What to add to the log odds of an end: below 0 for a caller who goes on where others would be done."""
        return min(max(math.log(self._expected / self._holds), SURENESS[0]), SURENESS[1])

    def _predict(self) -> tuple[float, float]:
        """Mean and standard deviation of this caller's next log pause."""
        precision = self._weight / WITHIN**2 + 1 / BETWEEN**2
        return self._sum / WITHIN**2 / precision, math.sqrt(WITHIN**2 + 1 / precision)

    def _held(self, likely_over: float, log_ratio: float) -> None:
        """Only pauses where others might be done say how long to wait there: in mid-sentence everybody takes time."""
        self._holds += 1
        mean, spread = self._predict()
        reach = OUTLIER_Z * spread
        self._weight += likely_over
        self._sum += likely_over * min(max(log_ratio, mean - reach), mean + reach)
