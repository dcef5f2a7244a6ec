"""The collector's settings after boot."""

import gc
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
