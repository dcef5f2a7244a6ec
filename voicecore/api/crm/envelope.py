"""What every answer of this surface is wrapped in."""

from __future__ import annotations

import math
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from voicecore.domain.paging import Page

T = TypeVar("T")


class PageQuery(msgspec.Struct, kw_only=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Meta(ge=1, le=100)] = 20

    def core(self) -> Page:
        return Page((self.page - 1) * self.per_page, self.per_page)


class MetaShape(msgspec.Struct):
    page: int
    per_page: int
    total: int
    total_pages: int


class One(msgspec.Struct, Generic[T]):
    success: bool
    data: T


class Many(msgspec.Struct, Generic[T]):
    success: bool
    data: list[T]
    meta: MetaShape


class Done(msgspec.Struct):
    success: bool
    message: str


def one(data: T) -> One[T]:
    return One(True, data)


def many(data: list[T], total: int, query: PageQuery) -> Many[T]:
    return Many(True, data, MetaShape(query.page, query.per_page, total, math.ceil(total / query.per_page)))
