"""What the engines of a call did for its money: tokens, characters, seconds of audio, by provider and model.

Amounts only. Who counts them is `Meter`, what they cost `config/prices.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model. `cached_tokens` are part of `input_tokens`; `wasted_tokens` and `estimated_tokens` are part of
    input and output. Wasted: answers begun early and thrown away, and those of who lost a race or failed. Estimated:
    what the provider could not tell, because the request was cut off before. Characters count once they were sent to a
    voice, whether or not it came to say them. `cost_microusd`: millionths of a US dollar, None: not known."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    wasted_tokens: int = 0
    estimated_tokens: int = 0
    spoken_characters: int = 0  # the caller heard them
    unheard_characters: int = 0  # he did not: broken off, thrown away, the loser's of a race
    spoken_s: float = 0.0  # of speech that a voice made, heard or not
    heard_s: float = 0.0  # of speech that a recogniser was sent
    cost_microusd: int | None = 0

    @property
    def characters(self) -> int:
        return self.spoken_characters + self.unheard_characters

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)

    def __add__(self, other: Used) -> Used:
        costs = self.cost_microusd, other.cost_microusd
        return Used(
            **{name: getattr(self, name) + getattr(other, name) for name in AMOUNTS},
            cost_microusd=None if None in costs else sum(cost for cost in costs if cost is not None),
        )


AMOUNTS = tuple(name for name in Used.__struct_fields__ if name != "cost_microusd")

Usage = dict[str, Used]  # by "provider/model", or "provider" of an engine that has no models


def added(usages: Iterable[Mapping[str, Used]]) -> Usage:
    total: Usage = {}
    for usage in usages:
        for name, used in usage.items():
            total[name] = total.get(name, Used()) + used
    return total


def cost_microusd(usage: Mapping[str, Used]) -> int | None:
    """Of all models together; None when that of one is not known."""
    total = sum(usage.values(), Used())
    return total.cost_microusd
