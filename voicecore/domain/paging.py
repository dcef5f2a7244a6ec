"""A page of rows and how many there are without paging. Surfaces make their own words of it."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, frozen=True):
    offset: int = 0
    count: int = 20


class Listing(msgspec.Struct, Generic[T], frozen=True):
    rows: list[T]
    total: int
