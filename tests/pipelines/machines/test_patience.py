"""How long a silence lasts before the turn counts as over, by what was said and asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import TurnPolicy
from pipelines.machines.patience import Patience, ends_with, made_of, word_lists, words_of
from pipelines.stages import Expect

BASE = TurnPolicy().base_wait_ms


def wait_after(text: str, *, expect: Expect = Expect.ANYTHING, language: str = "en") -> float:
    patience = Patience(TurnPolicy(), language)
    patience.expect(expect)
    patience.heard(text)
    return patience.wait_ms()


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        ("I want to book a table.", "I want to book a table and"),
        ("I want to book a table", "I want to book a table for"),
        ("I want to book a table", "I want to book a table um"),
        ("I want to book a table for", "I want to book a table um"),
        ("that is all", "I have a question"),
        ("no thank you", "no problem here then people"),
        ("my name is Miller", "my name is"),
        ("I have a question", "zero one seven"),
        ("I have a question", "well let me see"),
        ("I have a question", "I think so,"),
    ],
)
def test_an_open_end_is_waited_for_longer_than_a_closed_one(shorter: str, longer: str) -> None:
    assert wait_after(shorter) < wait_after(longer)


@pytest.mark.parametrize("answer", ["yes", "Yes, please.", "no", "correct"])
def test_an_expected_yes_or_no_ends_the_turn_soon(answer: str) -> None:
    assert wait_after(answer, expect=Expect.YES_NO) < wait_after(answer)
    assert wait_after(answer, expect=Expect.YES_NO) == pytest.approx(BASE * 0.5)


def test_a_phone_number_is_waited_for_with_any_words() -> None:
    assert wait_after("zero one seven", expect=Expect.PHONE) > BASE
    assert wait_after("it is", expect=Expect.PHONE) > BASE


@pytest.mark.parametrize(
    ("closed", "still_open"),
    [
        ("Ich möchte einen Termin.", "Ich möchte einen Termin und"),
        ("Wann haben Sie geöffnet?", "Ich brauche einen"),
        ("das war's", "äh"),
        ("vielen Dank", "null eins sieben"),
    ],
)
def test_german_has_its_own_words(closed: str, still_open: str) -> None:
    assert wait_after(closed, language="de-AT") < BASE < wait_after(still_open, language="de-AT")


def test_an_unknown_language_judges_by_punctuation_alone() -> None:
    assert word_lists("xx") == word_lists("yy")
    assert wait_after("ja oder", language="xx") == BASE
    assert wait_after("Tak.", language="xx") < BASE


def test_nothing_recognised_waits_a_little_longer_than_something() -> None:
    assert BASE < wait_after("") < wait_after("and")


def test_the_wait_follows_a_caller_who_pauses_long() -> None:
    patience = Patience(TurnPolicy())
    patience.heard("I want to book a table.")
    before = patience.wait_ms()
    waits = []
    for _ in range(3):
        patience.paused_inside_turn(900.0)
        patience.heard("I want to book a table.")
        waits.append(patience.wait_ms())
    assert before <= waits[0] <= waits[1] < waits[2]
    assert waits[2] > before * 1.5


def test_a_single_short_pause_changes_nothing() -> None:
    patience = Patience(TurnPolicy())
    patience.heard("I want to book a table.")
    before = patience.wait_ms()
    patience.paused_inside_turn(250.0)
    patience.heard("I want to book a table.")
    assert patience.wait_ms() == before


def test_a_new_turn_forgets_the_words_but_not_the_caller() -> None:
    patience = Patience(TurnPolicy())
    for _ in range(3):
        patience.paused_inside_turn(1200.0)
    adapted = patience.wait_ms()
    patience.heard("yes thanks")
    patience.new_turn()
    assert patience.wait_ms() == adapted


@given(
    texts=st.lists(st.text(alphabet="aun d.,?x", max_size=30), max_size=6),
    pauses=st.lists(st.floats(0, 20_000), max_size=12),
    expect=st.sampled_from(Expect),
)
def test_the_wait_never_leaves_its_bounds(texts: list[str], pauses: list[float], expect: Expect) -> None:
    policy = TurnPolicy(min_wait_ms=300, max_wait_ms=1500)
    patience = Patience(policy)
    patience.expect(expect)
    for text in texts:
        patience.heard(text)
        assert policy.min_wait_ms <= patience.wait_ms() <= policy.max_wait_ms
    for pause_ms in pauses:
        patience.paused_inside_turn(pause_ms)
        assert policy.min_wait_ms <= patience.wait_ms() <= policy.max_wait_ms


# --- the word lists -------------------------------------------------------------------------------


def test_words_lose_their_punctuation_and_case() -> None:
    assert words_of('  "Yes," (he said) … Uh-huh! ') == ["yes", "he", "said", "…", "uh-huh"]


def test_phrases_of_several_words_are_recognised() -> None:
    entries = word_lists("en").backchannel
    assert made_of(["uh", "huh"], entries)
    assert made_of(["okay", "i", "see", "mhm"], entries)
    assert not made_of(["i", "want"], entries)
    assert ends_with(["so", "i", "see"], entries)
    assert not ends_with(["i", "see", "him"], entries)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_lists_are_lower_case_words_as_recognisers_write_them(language: str) -> None:
    lists = word_lists(language)
    for name in lists.__struct_fields__:
        entries: frozenset[str] = getattr(lists, name)
        assert entries, f"{language}.{name} is empty"
        for entry in entries:
            assert " ".join(words_of(entry)) == entry
            assert len(entry.split()) <= 3
