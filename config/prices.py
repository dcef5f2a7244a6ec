"""What the use of an engine costs, by provider and model. Money is decimal, and whole millionths of a US dollar when it
leaves here. It knows nothing of calls; the prices shipped with it stand in `prices.yaml`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.resources import files
from typing import Protocol

from config.loader import load_struct
from config.schema import Price, Setting

SHIPPED = files("config") / "prices.yaml"
MICROS = 1_000_000


class PriceFile(Setting, frozen=True):
    taken: datetime.date
    models: dict[str, Price]


class Amounts(Protocol):
    """What a bill is made of. `cached_tokens` are part of `input_tokens`; characters are those that were sent."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def characters(self) -> int: ...
    @property
    def heard_s(self) -> float: ...
    @property
    def spoken_s(self) -> float: ...


class PriceTable:
    """Prices by "provider/model", or "provider" of an engine that has no models."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._exact = {name: price for name, price in prices.items() if not name.endswith("*")}
        beginnings = {name[:-1]: price for name, price in prices.items() if name.endswith("*")}
        self._beginnings = sorted(beginnings.items(), key=lambda item: len(item[0]), reverse=True)

    def price(self, name: str) -> Price | None:
        if name in self._exact:
            return self._exact[name]
        return next((price for beginning, price in self._beginnings if name.startswith(beginning)), None)

    def cost_microusd(self, name: str, used: Amounts) -> int | None:
        """None: it is not known what that costs."""
        price = self.price(name)
        if price is None:
            return None
        if price.free:
            return 0
        cached_price = price.usd_per_million_cached_tokens
        if cached_price is None:
            cached_price = price.usd_per_million_input_tokens
        # So many dollars for a million are so many millionths of a dollar for one.
        parts = (
            (Decimal(used.input_tokens - used.cached_tokens), price.usd_per_million_input_tokens),
            (Decimal(used.cached_tokens), cached_price),
            (Decimal(used.output_tokens), price.usd_per_million_output_tokens),
            *_speech(used, price),
        )
        total = Decimal(0)
        for amount, each in parts:
            if amount and each is None:
                return None
            total += amount * (each or 0)
        return int(total.to_integral_value(ROUND_HALF_EVEN))


def _speech(used: Amounts, price: Price) -> list[tuple[Decimal, Decimal | None]]:
    """A voice is paid by the character or by what it spoke."""
    heard = (_minutes(used.heard_s) * MICROS, price.usd_per_minute_heard)
    if price.usd_per_minute_spoken is not None:
        return [heard, (_minutes(used.spoken_s) * MICROS, price.usd_per_minute_spoken)]
    return [heard, (Decimal(used.characters), price.usd_per_million_characters)]


def _minutes(seconds: float) -> Decimal:
    return Decimal(round(seconds * 1000)) / 60_000


def shipped() -> PriceFile:
    return load_struct(SHIPPED, PriceFile)


def price_table(own: Mapping[str, Price]) -> PriceTable:
    """The shipped prices, and before them those of the settings."""
    return PriceTable({**shipped().models, **own})
