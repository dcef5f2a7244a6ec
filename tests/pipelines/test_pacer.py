"""One timer for all calls: absolute deadlines, and one broken call breaks no other."""

from __future__ import annotations

import logging

import pytest
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines.pacer import Pacer


class Player:
    def __init__(self) -> None:
        self.ticks: list[float] = []
        self.looks: list[float] = []
        self.rest = 0

    def tick(self, now_ms: float) -> int:
        self.ticks.append(now_ms)
        return self.rest

    def watch(self, now_ms: float) -> None:
        self.looks.append(now_ms)


class Broken(Player):
    def tick(self, now_ms: float) -> int:
        raise ValueError("a bug")

    def watch(self, now_ms: float) -> None:
        raise ValueError("a bug")


@in_virtual_time
async def test_players_are_ticked_each_20_ms_and_calls_watched_each_100() -> None:
    pacer, player = Pacer(), Player()
    began = pacer.now_ms()
    pacer.add(player)
    pacer.watch(player)
    await pass_ms(1005)
    assert [round(t - began) for t in player.ticks] == list(range(20, 1001, 20))
    assert [round(t - began) for t in player.looks] == list(range(100, 1001, 100))
    assert pacer.worst_lag_ms == pytest.approx(0.0, abs=1e-6)
    pacer.close()


@in_virtual_time
async def test_who_needs_no_tick_gets_none_and_a_stall_wakes_him_once() -> None:
    pacer, player = Pacer(), Player()
    began = pacer.now_ms()
    player.rest = 2
    pacer.add(player)
    await pass_ms(205)
    assert [round(t - began) for t in player.ticks] == [20, 80, 140, 200]
    virtual_loop().stall(210)
    await pass_ms(150)
    assert [round(t - began) for t in player.ticks[4:]] == [415, 460, 520]
    pacer.close()


@in_virtual_time
async def test_who_comes_back_before_his_old_tick_is_due_is_ticked_once() -> None:
    pacer, player = Pacer(), Player()
    began = pacer.now_ms()
    player.rest = 2
    pacer.add(player)
    await pass_ms(30)
    pacer.remove(player)
    pacer.add(player)
    await pass_ms(120)
    assert [round(t - began) for t in player.ticks] == [20, 40, 100]
    pacer.close()


@in_virtual_time
async def test_it_rests_when_nobody_plays_and_starts_again() -> None:
    pacer, player = Pacer(), Player()
    pacer.add(player)
    await pass_ms(50)
    pacer.remove(player)
    assert len(pacer) == 0
    await pass_ms(5000)
    assert len(player.ticks) == 2
    pacer.add(player)
    await pass_ms(50)
    assert len(player.ticks) == 4
    pacer.close()
    await pass_ms(100)
    assert len(player.ticks) == 4


@in_virtual_time
async def test_a_stall_delays_one_tick_and_moves_no_later_one() -> None:
    pacer, player = Pacer(), Player()
    began = pacer.now_ms()
    pacer.add(player)
    await pass_ms(105)
    virtual_loop().stall(210)
    await pass_ms(50)
    assert [round(t - began) for t in player.ticks[5:]] == [315, 320, 340, 360]
    assert pacer.worst_lag_ms == pytest.approx(195.0)
    pacer.close()


@in_virtual_time
async def test_a_broken_call_is_taken_out_and_reported() -> None:
    pacer, player, broken = Pacer(), Player(), Broken()
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger("pipelines.pacer").addHandler(handler)
    try:
        for one in (broken, player):
            pacer.add(one)
            pacer.watch(one)
        await pass_ms(205)
    finally:
        logging.getLogger("pipelines.pacer").removeHandler(handler)
    assert len(player.ticks) == 10
    assert len(player.looks) == 2
    assert [record.levelname for record in records] == ["ERROR"]
    assert len(pacer) == 1
    pacer.close()
