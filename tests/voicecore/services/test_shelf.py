"""Kept answers: never older than what they are made of, bounded, and counted for each organization."""

from __future__ import annotations

from voicecore.services.shelf import Shelf


def test_an_answer_of_another_stamp_is_none() -> None:
    shelf = Shelf()
    shelf.put("one", "list", 1, ["a"])
    assert shelf.get("one", "list", 1) == ["a"]
    assert shelf.get("one", "list", 2) is None
    assert shelf.get("two", "list", 1) is None
    figures = shelf.figures("one")
    assert (figures.keys, figures.hits, figures.misses, figures.hit_rate) == (1, 1, 1, 0.5)
    assert (shelf.figures("two").misses, shelf.figures("three").hit_rate) == (1, 0.0)


def test_an_empty_answer_is_an_answer() -> None:
    shelf = Shelf()
    shelf.put("one", "list", 1, [])
    assert shelf.get("one", "list", 1) == []


def test_what_was_not_asked_for_longest_goes_first() -> None:
    shelf = Shelf(most=2)
    shelf.put("one", "a", 0, "a")
    shelf.put("one", "b", 0, "b")
    assert shelf.get("one", "a", 0) == "a"
    shelf.put("two", "c", 0, "c")
    assert [shelf.get("one", key, 0) for key in ("a", "b")] == ["a", None]
    assert shelf.get("two", "c", 0) == "c"


def test_clearing_forgets_one_organization_with_its_figures() -> None:
    shelf = Shelf()
    for owner in ("one", "two"):
        shelf.put(owner, "a", 0, "a")
        assert shelf.get(owner, "a", 0) == "a"
    assert shelf.clear("one") == 1
    assert (shelf.figures("one").keys, shelf.figures("one").hits) == (0, 0)
    assert (shelf.figures("two").keys, shelf.figures("two").hits) == (1, 1)
