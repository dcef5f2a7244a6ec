"""The collector's settings after boot."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from voicecore import heap


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    yield
    gc.set_threshold(*thresholds)
    if not frozen:
        gc.unfreeze()


def test_what_boot_made_is_left_alone_and_new_cycles_are_still_found() -> None:
    class Node:
        other: "Node"

    boot = gc.get_freeze_count()
    heap.settle()
    assert gc.get_freeze_count() > boot + 1000
    assert gc.get_threshold() == heap.THRESHOLDS
    gc.collect()
    one, two = Node(), Node()
    one.other, two.other = two, one
    del one, two
    assert gc.collect() >= 2


def test_calls_that_are_over_are_collected_after_some_of_them() -> None:
    class Call:
        itself: "Call"

    gone = []
    sweeper = heap.Sweeper(at_least=3)
    gc.disable()
    try:
        for count in range(1, 7):
            call = Call()
            call.itself = call
            weakref.finalize(call, gone.append, count)
            del call
            sweeper.call_ended(running=0)
            assert len(gone) == count // 3 * 3
        sweeper.call_ended(running=0)
        sweeper.call_ended(running=0)
        call = Call()
        call.itself = call
        weakref.finalize(call, gone.append, 7)
        del call
        sweeper.call_ended(running=4)
        assert len(gone) == 6
        sweeper.call_ended(running=4)
        assert len(gone) == 7
    finally:
        gc.enable()
