"""Prices: decimal, checked when they are read, and what is not in the table has no cost."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from config.errors import ConfigError
from config.loader import load
from config.prices import PriceTable, price_table, shipped
from config.schema import Price

LLM = Price(
    usd_per_million_input_tokens=Decimal("0.40"),
    usd_per_million_cached_tokens=Decimal("0.10"),
    usd_per_million_output_tokens=Decimal("1.60"),
)


class Amounts(msgspec.Struct, kw_only=True):
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    heard_s: float = 0.0
    spoken_s: float = 0.0


@pytest.mark.parametrize(
    ("price", "amounts", "microusd"),
    [
        (LLM, Amounts(input_tokens=1_000_000), 400_000),
        (LLM, Amounts(input_tokens=1000, cached_tokens=1000), 100),
        (LLM, Amounts(input_tokens=1000, cached_tokens=400, output_tokens=50), 240 + 40 + 80),
        (LLM, Amounts(input_tokens=1), 0),
        (Price(usd_per_million_input_tokens=Decimal(2)), Amounts(input_tokens=10, cached_tokens=10), 20),
        (Price(usd_per_million_characters=Decimal(50)), Amounts(characters=11), 550),
        (Price(usd_per_million_characters=Decimal(50)), Amounts(characters=11, spoken_s=60.0), 550),
        (Price(usd_per_minute_spoken=Decimal("0.015")), Amounts(characters=11, spoken_s=30.0), 7500),
        (Price(usd_per_minute_heard=Decimal("0.0077")), Amounts(heard_s=3.2), 411),
        (Price(free=True), Amounts(input_tokens=5, characters=5, heard_s=5.0), 0),
        # What is not priced was used:
        (Price(usd_per_minute_heard=Decimal(1)), Amounts(characters=1), None),
        (Price(usd_per_million_input_tokens=Decimal(1)), Amounts(output_tokens=1), None),
        (LLM, Amounts(heard_s=0.5), None),
    ],
)
def test_amounts_are_priced_in_millionths(price: Price, amounts: Amounts, microusd: int | None) -> None:
    assert PriceTable({"p/m": price}).cost_microusd("p/m", amounts) == microusd


def test_a_thousand_small_amounts_do_not_drift() -> None:
    """As binary fractions they would."""
    price = PriceTable({"p": Price(usd_per_million_characters=Decimal("0.1"))})
    assert price.cost_microusd("p", Amounts(characters=10**12)) == 10**11


def test_the_longest_name_that_fits_counts() -> None:
    one, two, three = (Price(usd_per_million_characters=Decimal(n)) for n in (1, 2, 3))
    table = PriceTable({"p/*": one, "p/model-*": two, "p/model-x": three})
    assert [table.price(name) for name in ("p/a", "p/model-y", "p/model-x")] == [one, two, three]
    assert table.price("p") is None
    assert table.cost_microusd("q/model-x", Amounts()) is None


def test_our_own_go_before_the_shipped_ones() -> None:
    table = price_table({"openai/gpt-4.1-mini": LLM, "mine": Price(free=True)})
    assert table.price("openai/gpt-4.1-mini") == LLM
    assert table.price("mine") == Price(free=True)
    assert table.price("openai/gpt-4.1-nano") == shipped().models["openai/gpt-4.1-nano"]


def test_what_is_shipped_says_when_it_was_collected_and_that_local_engines_are_free() -> None:
    file = shipped()
    assert datetime.date(2026, 1, 1) < file.taken <= datetime.date(2100, 1, 1)
    free = {name for name, price in file.models.items() if price.free}
    assert free >= {"espeak", "flite", "pocketsphinx", "receptionist", "faster-whisper*"}
    assert not any("/" in name for name in free)


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("{usd_per_minute_heard: -1}", "not below 0"),
        ("{usd_per_minute_heard: .nan}", "a number"),
        ("{usd_per_minute_heard: .inf}", "a number"),
        ("{usd_per_minute_heard: cheap}", "usd_per_minute_heard"),
        ("{usd_per_hour: 1}", "no such setting"),
        ("{}", "give prices, or free"),
        ("{free: true, usd_per_minute_heard: 1}", "give prices, or free"),
    ],
)
def test_a_wrong_price_is_refused_with_its_name(tmp_path: Path, price: str, reason: str) -> None:
    file = tmp_path / "server.yaml"
    file.write_text(f"prices: {{openai/ours: {price}}}")
    with pytest.raises(ConfigError, match=reason) as caught:
        load(file=file)
    assert caught.value.key.startswith("prices.openai/ours")


def test_a_price_is_read_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("prices: {p/m: {usd_per_minute_heard: 0.0077}}")
    assert load(file=file).prices["p/m"].usd_per_minute_heard == Decimal("0.0077")
    named = load(environ={"VOICECORE_PRICES": "{p/m: {usd_per_minute_heard: 0.1}}"})
    assert named.prices["p/m"].usd_per_minute_heard == Decimal("0.1")
