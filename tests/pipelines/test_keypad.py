"""Keys become entries."""

from __future__ import annotations

from pipelines.keypad import ENTRY_PAUSE_MS, LONGEST_ENTRY, Keypad


def pressed(keys: str, every_ms: float = 200.0) -> Keypad:
    keypad = Keypad()
    for index, key in enumerate(keys):
        keypad.press(key, index * every_ms)
    return keypad


def test_a_pause_ends_an_entry_once() -> None:
    keypad = pressed("42*")
    assert keypad.finished(400.0 + ENTRY_PAUSE_MS - 1) == ""
    assert keypad.finished(400.0 + ENTRY_PAUSE_MS) == "4 2 *"
    assert keypad.finished(99_000.0) == ""


def test_the_hash_key_ends_it_at_once_and_is_no_part_of_it() -> None:
    keypad = pressed("42#")
    assert keypad.finished(400.0) == "4 2"
    keypad.press("7", 500.0)
    assert keypad.finished(500.0) == ""
    assert keypad.finished(500.0 + ENTRY_PAUSE_MS) == "7"


def test_a_lone_hash_is_no_entry() -> None:
    assert pressed("#").finished(99_000.0) == ""


def test_an_entry_has_a_longest_length() -> None:
    assert len(pressed("1" * 100).finished(99_000.0).split()) == LONGEST_ENTRY
