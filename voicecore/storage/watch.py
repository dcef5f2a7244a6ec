"""Follows what is read of the database on the way to one answer, so that the whole of it can be told again for as long
as each part of it could be."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar

_CURRENT: ContextVar[Watch | None] = ContextVar("watch", default=None)


class Watch:
    """`as_of` is the moment of the memory in which it began, `until_s` (monotonic) when the first part of what was read
    is out of date, whatever changes. `followed`: nothing else was read, and nothing written."""

    def __init__(self, as_of: int) -> None:
        self.as_of = as_of
        self.tables: set[str] = set()
        self.until_s = math.inf
        self.followed = True


@contextlib.contextmanager
def watching(as_of: int) -> Iterator[Watch]:
    """While the context is open, what its tasks read is followed."""
    watch = Watch(as_of)
    token = _CURRENT.set(watch)
    try:
        yield watch
    finally:
        _CURRENT.reset(token)


def saw(tables: frozenset[str], until_s: float) -> None:
    """Something was read that can be told again so long."""
    if (watch := _CURRENT.get()) is not None:
        watch.tables |= tables
        watch.until_s = min(watch.until_s, until_s)


def lost() -> None:
    """Something was read that will not be known again, or was written."""
    if (watch := _CURRENT.get()) is not None:
        watch.followed = False
