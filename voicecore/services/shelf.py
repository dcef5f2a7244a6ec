"""Answers that are kept in memory for a while: bounded, per organization, never older than what they are made of."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

MOST = 2000  # answers, of all organizations


class ShelfFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one organization, since this process began or since it was cleared."""

    keys: int
    hits: int
    misses: int

    @property
    def hit_rate(self) -> float:
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class _Counts(msgspec.Struct):
    hits: int = 0
    misses: int = 0


class Shelf:
    """Each answer has a `stamp`: what it was made of. One of another stamp is none."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], tuple[Any, Any]] = OrderedDict()
        self._counts: OrderedDict[str, _Counts] = OrderedDict()

    def get(self, owner: str, key: str, stamp: Any) -> Any | None:
        found = self._kept.get((owner, key))
        hit = found is not None and found[0] == stamp
        self._count(owner, hit)
        if found is None or not hit:
            return None
        self._kept.move_to_end((owner, key))
        return found[1]

    def put(self, owner: str, key: str, stamp: Any, answer: Any) -> None:
        self._kept[owner, key] = (stamp, answer)
        self._kept.move_to_end((owner, key))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self, owner: str) -> int:
        """Returns how many answers there were."""
        mine = [place for place in self._kept if place[0] == owner]
        for place in mine:
            del self._kept[place]
        self._counts.pop(owner, None)
        return len(mine)

    def figures(self, owner: str) -> ShelfFigures:
        counts = self._counts.get(owner) or _Counts()
        keys = sum(place[0] == owner for place in self._kept)
        return ShelfFigures(keys=keys, hits=counts.hits, misses=counts.misses)

    def _count(self, owner: str, hit: bool) -> None:
        counts = self._counts.setdefault(owner, _Counts())
        self._counts.move_to_end(owner)
        while len(self._counts) > self._most:
            self._counts.popitem(last=False)
        if hit:
            counts.hits += 1
        else:
            counts.misses += 1
