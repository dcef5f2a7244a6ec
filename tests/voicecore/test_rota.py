"""Calls are heard in turn, and between two slices of them everybody else has a turn."""

from __future__ import annotations

import asyncio

from voicecore.rota import LONGEST_SLICE_S, SLICE_S, Rota


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Call:
    """Takes so long to hear, and writes down when it was its turn."""

    def __init__(self, name: str, heard: list[str], clock: Clock, takes_s: float = 0.0) -> None:
        self._name, self._heard, self._clock, self._takes_s = name, heard, clock, takes_s

    def hear(self) -> None:
        self._heard.append(self._name)
        self._clock.now_s += self._takes_s


async def test_calls_are_heard_in_order_when_the_loop_comes_round() -> None:
    heard: list[str] = []
    clock, waits = Clock(), list[float]()
    rota = Rota(waits.append, clock)
    for name in "abc":
        rota.put(Call(name, heard, clock))
    assert (heard, len(rota)) == ([], 3)
    clock.now_s += 0.05
    await asyncio.sleep(0)
    assert (heard, len(rota)) == (["a", "b", "c"], 0)
    assert [round(ms) for ms in waits] == [50]  # the first one's
    await asyncio.sleep(0)
    assert len(waits) == 1  # nothing runs while nobody waits


async def test_others_have_a_turn_after_each_slice() -> None:
    heard: list[str] = []
    clock = Clock()
    rota = Rota(lambda ms: None, clock)
    rota.put(Call("first", heard, clock))
    await asyncio.sleep(0)
    for number in range(6):
        rota.put(Call(str(number), heard, clock, SLICE_S))  # each takes a whole slice
    asyncio.get_running_loop().call_soon(heard.append, "other")
    await asyncio.sleep(0)
    assert heard == ["first", "0", "other"]
    clock.now_s += 2.5 * SLICE_S  # which is what the others took: as much is given to the calls
    await asyncio.sleep(0)
    assert heard[3:] == ["1", "2", "3"]
    await asyncio.sleep(0)
    assert heard[6:] == ["4"]
    await asyncio.sleep(0)
    assert heard[7:] == ["5"]


async def test_no_slice_is_longer_than_a_frame_however_long_nobody_was_heard() -> None:
    heard: list[str] = []
    clock = Clock()
    rota = Rota(lambda ms: None, clock)
    for number in range(3):
        rota.put(Call(str(number), heard, clock, LONGEST_SLICE_S))
    await asyncio.sleep(0)
    assert heard == ["0"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert heard == ["0", "1", "2"]


async def test_who_comes_while_others_are_heard_is_behind_them() -> None:
    heard: list[str] = []
    clock = Clock()
    rota = Rota(lambda ms: None, clock)

    class Late(Call):
        def hear(self) -> None:
            super().hear()
            rota.put(Call("late", heard, clock))

    rota.put(Late("a", heard, clock))
    rota.put(Call("b", heard, clock))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert heard == ["a", "b", "late"]


async def test_a_call_that_raises_keeps_nobody_else_from_being_heard() -> None:
    heard: list[str] = []
    clock, troubles = Clock(), list[BaseException]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context["exception"]))
    rota = Rota(lambda ms: None, clock)

    class Broken(Call):
        def hear(self) -> None:
            raise RuntimeError("broken")

    rota.put(Broken("a", heard, clock))
    rota.put(Call("b", heard, clock))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (heard, [str(trouble) for trouble in troubles]) == (["b"], ["broken"])
    rota.put(Broken("c", heard, clock))
    await asyncio.sleep(0)
    rota.put(Call("d", heard, clock))
    await asyncio.sleep(0)
    assert (heard, len(troubles)) == (["b", "d"], 2)
