"""When an answer may be begun early, when that is left off, and when it is tried again."""

from __future__ import annotations

import msgspec
import pytest

from config.schema import TurnPolicy
from pipelines.machines.speculation import ENOUGH, ENOUGH_AGAIN, LONGEST_REST_TURNS, REST_TURNS, Ledger, Speculation

HIT = Ledger(hits=1, saved_ms=230.0)
MISS = Ledger(misses=1, tokens_wasted=500, characters_wasted=40)


def play(policy: Speculation, outcomes: list[Ledger | None], first_turn: int = 0) -> list[bool]:
    """One turn each: may it be begun, and then its outcome."""
    leave = []
    for turn, outcome in enumerate(outcomes, first_turn):
        leave.append(policy.start(turn, f"words {turn}"))
        if leave[-1] and outcome is not None:
            policy.settle(outcome)
    return leave


def test_ledgers_add_up_and_cost_nothing_when_empty() -> None:
    both = HIT + MISS + MISS
    assert both == Ledger(hits=1, misses=2, saved_ms=230.0, tokens_wasted=1000, characters_wasted=80)
    assert both.started == 3
    assert msgspec.to_builtins(Ledger()) == {}
    assert msgspec.convert(msgspec.to_builtins(both), Ledger) == both


def test_a_text_is_begun_once_a_turn_and_never_without_words() -> None:
    policy = Speculation(TurnPolicy())
    assert not policy.start(0, "")
    assert policy.start(0, "A table, please.")
    assert not policy.start(0, "a table please")
    assert policy.start(1, "a table please")


def test_so_many_a_turn() -> None:
    policy = Speculation(TurnPolicy(speculations_per_turn=2))
    assert [policy.start(0, text) for text in ("a", "a b", "a b c")] == [True, True, False]
    assert policy.start(1, "a")


def test_it_can_be_switched_off() -> None:
    assert not Speculation(TurnPolicy(speculation=False)).start(0, "a")


def test_a_calls_budget_of_tokens() -> None:
    policy = Speculation(TurnPolicy(speculation_tokens=1400))
    assert play(policy, [HIT, MISS, HIT, MISS, HIT, MISS, HIT, MISS]) == [True] * 6 + [False] * 2


def test_what_never_hits_is_left_off_for_longer_and_longer() -> None:
    leave = play(Speculation(TurnPolicy(speculation_tokens=10**9)), [MISS] * 200)
    off = [len(run) for run in "".join("+" if yes else "-" for yes in leave).split("+") if run]
    on = [len(run) for run in "".join("+" if yes else "-" for yes in leave).split("-") if run]
    assert on[0] == ENOUGH
    assert set(on[1:]) == {ENOUGH_AGAIN}
    assert off[0] == REST_TURNS - 1
    assert off[1] == 2 * REST_TURNS - 1
    assert max(off) == LONGEST_REST_TURNS - 1


def test_it_comes_back_when_it_pays_again() -> None:
    policy = Speculation(TurnPolicy())
    assert play(policy, [MISS] * ENOUGH) == [True] * ENOUGH
    assert play(policy, [None] * (REST_TURNS - 1), 10) == [False] * (REST_TURNS - 1)
    assert play(policy, [HIT] * 20, 20) == [True] * 20
    assert play(policy, [MISS, HIT] * 8, 50) == [True] * 16


@pytest.mark.parametrize(
    ("hits", "saved_ms", "misses", "tokens", "pays"),
    [
        (8, 230.0, 0, 0, True),
        (4, 230.0, 4, 500, True),  # half of them: 115 ms bought for 250 tokens
        (2, 230.0, 6, 1500, True),
        (2, 230.0, 6, 9000, False),
        (0, 0.0, 4, 0, False),
        (8, 5.0, 0, 0, False),  # engines so fast that nobody notices
        (4, 25.0, 4, 1500, False),
    ],
)
def test_what_pays(hits: int, saved_ms: float, misses: int, tokens: int, pays: bool) -> None:
    policy = Speculation(TurnPolicy(speculation_tokens=10**9))
    for outcome in [Ledger(hits=1, saved_ms=saved_ms)] * hits + [Ledger(misses=1, tokens_wasted=tokens)] * misses:
        policy.settle(outcome)
    assert policy.start(0, "once more") is pays


def test_one_outlier_decides_nothing() -> None:
    policy = Speculation(TurnPolicy(speculation_tokens=10**9))
    play(policy, [HIT, MISS, Ledger(misses=1, tokens_wasted=50_000), MISS, HIT])
    assert policy.start(9, "once more")
