"""Sums over calls, and the figures that follow from them."""

from __future__ import annotations

import msgspec

from voicecore.domain.calls import Sentiment


class CallTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over calls. Calls that nobody judged count as neutral; the means are None where nothing was measured."""

    calls: int = 0
    duration_s: float = 0.0
    succeeded: int = 0
    completed: int = 0  # by outcome, whatever was reported of their success
    positive: int = 0
    negative: int = 0
    stt_ms: float | None = None
    llm_ms: float | None = None
    tts_ms: float | None = None

    @property
    def neutral(self) -> int:
        return self.calls - self.positive - self.negative

    @property
    def success_rate(self) -> float:
        """A fraction; 0 without calls."""
        return self.succeeded / self.calls if self.calls else 0.0

    @property
    def sentiment(self) -> Sentiment:
        """What most calls were; between equals, the side that outweighs the other."""
        counts = {
            Sentiment.POSITIVE: self.positive,
            Sentiment.NEUTRAL: self.neutral,
            Sentiment.NEGATIVE: self.negative,
        }
        most = [label for label, count in counts.items() if count == max(counts.values())]
        if len(most) == 1:
            return most[0]
        if self.positive == self.negative:
            return Sentiment.NEUTRAL
        return Sentiment.POSITIVE if self.positive > self.negative else Sentiment.NEGATIVE
