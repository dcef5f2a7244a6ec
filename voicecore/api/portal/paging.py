"""Pages of lists as the document shows them: rows, four links that keep size and filters, and seven figures."""

from __future__ import annotations

import math
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange
from voicecore.domain.paging import Page

T = TypeVar("T")


class PageQuery(msgspec.Struct, kw_only=True):
    """Base of the query of every list. `per_page` at most 100 (document "Calls")."""

    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Meta(ge=1, le=100)] = 20

    def core(self) -> Page:
        return Page((self.page - 1) * self.per_page, self.per_page)


class PageLinks(msgspec.Struct):
    """`prev` and `next` are null at the ends."""

    first: str
    last: str
    prev: str | None
    next: str | None


class PageMeta(msgspec.Struct, kw_only=True):
    """`from` and `to` count rows from one; null on an empty page."""

    current_page: int
    first_row: int | None = msgspec.field(name="from")
    last_page: int
    path: str
    per_page: int
    last_row: int | None = msgspec.field(name="to")
    total: int


class Paged(msgspec.Struct, Generic[T]):
    data: list[T]
    links: PageLinks
    meta: PageMeta


class Pager:
    """`public_url` is how clients reach us, "" to ask each request."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url.rstrip("/")

    def paged(self, exchange: Exchange, rows: list[T], total: int) -> Paged[T]:
        """The answer of a list whose query is a PageQuery. `total` is without paging."""
        query: PageQuery = exchange.query
        path = (self._public_url or str(exchange.http.url.origin())) + exchange.http.path
        last = max(1, math.ceil(total / query.per_page))
        filters = [(name, value) for name, value in exchange.http.query.items() if name != "page"]

        def link(page: int) -> str:
            return f"{path}?{urlencode([*filters, ('page', page)])}"

        before = (query.page - 1) * query.per_page
        return Paged(
            rows,
            PageLinks(
                first=link(1),
                last=link(last),
                prev=link(min(query.page - 1, last)) if query.page > 1 else None,
                next=link(query.page + 1) if query.page < last else None,
            ),
            PageMeta(
                current_page=query.page,
                first_row=before + 1 if rows else None,
                last_page=last,
                path=path,
                per_page=query.per_page,
                last_row=before + len(rows) if rows else None,
                total=total,
            ),
        )
