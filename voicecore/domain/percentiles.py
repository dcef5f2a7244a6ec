"""Percentiles: exact for the few dozen turns of one call, a mergeable sketch for aggregates.

The sketch is a DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019): logarithmic buckets of ratio
(1 + a) / (1 - a), so every quantile is within the relative error `a` of a value that really occurred, and
merging two sketches is adding their counts. Values are milliseconds; zero has a bucket of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pipelines.timing import Marks, Stage, response_latency_ms, waterfall

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
SMALLEST = 1e-3  # one microsecond in ms: below it a wait is zero


def summary(values: Sequence[float]) -> dict[str, float]:
    """num, min, max and exact percentiles by nearest rank; empty without values."""
    if not values:
        return {}
    ranked = sorted(values)
    figures = {"num": float(len(ranked)), "min": ranked[0], "max": ranked[-1]}
    for name, q in QUANTILES.items():
        figures[name] = ranked[max(0, math.ceil(q * len(ranked)) - 1)]
    return figures


def stage_summaries(turns: Iterable[Marks]) -> dict[str, dict[str, float]]:
    """Summary per stage and for `response_latency`, over the answered turns of a call."""
    values: dict[str, list[float]] = {}
    for marks in turns:
        total = response_latency_ms(marks)
        if total is None:
            continue
        for stage, waited in waterfall(marks).items():
            values.setdefault(stage.value, []).append(waited)
        values.setdefault("response_latency", []).append(total)
    return {name: summary(waits) for name, waits in values.items()}


def stage_means(turns: Iterable[Marks]) -> dict[str, float]:
    """What the answered turns waited for recognition, model and voice on average: `stt_ms`, `llm_ms`, `tts_ms`."""
    waits = [found for marks in turns if (found := waterfall(marks))]
    if not waits:
        return {}
    return {f"{s.value}_ms": sum(w[s] for w in waits) / len(waits) for s in (Stage.STT, Stage.LLM, Stage.TTS)}


class Sketch(msgspec.Struct):
    """Quantiles of any number of non-negative values in bounded space; serialises as itself."""

    relative_error: float = 0.01
    zeros: int = 0
    num: int = 0
    total: float = 0.0
    min: float = 0.0
    max: float = 0.0
    buckets: dict[int, int] = {}

    @property
    def _log_gamma(self) -> float:
        return math.log((1 + self.relative_error) / (1 - self.relative_error))

    def add(self, value: float) -> None:
        """Raises ValueError for a negative or unreal value."""
        if not (0 <= value < math.inf):
            raise ValueError("a sketch takes finite values from 0")
        self.min = min(self.min, value) if self.num else value
        self.max = max(self.max, value)
        self.num += 1
        self.total += value
        if value < SMALLEST:
            self.zeros += 1
        else:
            key = math.ceil(math.log(value) / self._log_gamma)
            self.buckets[key] = self.buckets.get(key, 0) + 1

    def merge(self, other: Sketch) -> None:
        """Raises ValueError when the two were made with different errors."""
        if other.relative_error != self.relative_error:
            raise ValueError("sketches of different error do not merge")
        if other.num:
            self.min = min(self.min, other.min) if self.num else other.min
        self.max = max(self.max, other.max)
        self.num += other.num
        self.zeros += other.zeros
        self.total += other.total
        for key, count in other.buckets.items():
            self.buckets[key] = self.buckets.get(key, 0) + count

    def quantile(self, q: float) -> float | None:
        """The value at rank q, off by at most `relative_error` of itself; None when empty."""
        if not self.num:
            return None
        rank = max(0, math.ceil(q * self.num) - 1)
        if rank < self.zeros:
            return 0.0
        seen = self.zeros
        for key in sorted(self.buckets):
            seen += self.buckets[key]
            if seen > rank:
                middle = 2 * math.exp(key * self._log_gamma) / (math.exp(self._log_gamma) + 1)
                return min(max(middle, self.min), self.max)
        return self.max

    def summary(self) -> dict[str, float]:
        """The same members as the exact summary."""
        if not self.num:
            return {}
        figures = {"num": float(self.num), "min": self.min, "max": self.max}
        return figures | {name: self.quantile(q) or 0.0 for name, q in QUANTILES.items()}
