"""How well the lines of an organization were answered."""

from __future__ import annotations

import msgspec


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over ended calls. `answered`: held to their end. `waited_s` is what these waited, together; `talked_s` what
    they lasted."""

    calls: int = 0
    answered: int = 0
    waited_s: float = 0.0
    talked_s: float = 0.0

    def __add__(self, other: QueueFigures) -> QueueFigures:
        return QueueFigures(
            calls=self.calls + other.calls,
            answered=self.answered + other.answered,
            waited_s=self.waited_s + other.waited_s,
            talked_s=self.talked_s + other.talked_s,
        )

    @property
    def abandoned(self) -> int:
        return self.calls - self.answered

    @property
    def service_level(self) -> float:
        """The fraction that was answered; 0 without calls."""
        return self.answered / self.calls if self.calls else 0.0

    @property
    def mean_wait_s(self) -> float:
        return self.waited_s / self.answered if self.answered else 0.0

    @property
    def mean_talk_s(self) -> float:
        return self.talked_s / self.answered if self.answered else 0.0


class CallCenter(msgspec.Struct, frozen=True, kw_only=True):
    """`queues` by their names; `utilization` is the fraction of the agents' time that they were talking."""

    whole: QueueFigures
    queues: dict[str, QueueFigures]
    utilization: float
