"""The word lists and the looking up in them."""

from __future__ import annotations

import pytest

from pipelines.machines.words import LONGEST_ENTRY, WordLists, contains, longest_end, made_of, word_lists, words_of


def test_words_lose_their_punctuation_and_case() -> None:
    assert words_of('  "Yes," (he said) … Uh-huh! I’m') == ["yes", "he", "said", "uh-huh", "i'm"]


def test_phrases_of_several_words_are_recognised() -> None:
    entries = word_lists("en").backchannel
    assert made_of(["uh", "huh"], entries)
    assert made_of(["okay", "i", "see", "mhm"], entries)
    assert not made_of(["i", "want"], entries)


def test_the_longest_entry_at_the_end_is_found() -> None:
    entries = frozenset({"you", "thank you", "of"})
    assert longest_end(["well", "thank", "you"], entries) == 2
    assert longest_end(["you"], entries) == 1
    assert longest_end(["you", "there"], entries) == 0


def test_an_entry_stands_for_whole_words() -> None:
    assert contains(["my", "number", "is"], frozenset({"number is"}))
    assert not contains(["numbers", "isolated"], frozenset({"number"}))


def test_unknown_languages_have_empty_lists_and_dialects_their_language() -> None:
    assert word_lists("xx") == WordLists()
    assert word_lists("de-AT") is word_lists("de-AT")
    assert word_lists("de-AT") == word_lists("de")


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_lists_are_lower_case_words_as_recognisers_write_them(language: str) -> None:
    lists = word_lists(language)
    for name in lists.__struct_fields__:
        entries = getattr(lists, name)
        if not isinstance(entries, frozenset | dict):
            continue
        for entry in entries:
            assert " ".join(words_of(entry)) == entry, name
            assert 1 <= len(entry.split()) <= LONGEST_ENTRY


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_language_says_what_its_rules_need(language: str) -> None:
    lists = word_lists(language)
    for name in ("open", "closed", "hesitation", "short_answer", "backchannel", "question", "digits", "letters",
                 "phone_context", "email_at", "email_dot", "date", "time", "month"):  # fmt: skip
        assert getattr(lists, name), name
    assert set(lists.digits.values()) >= set("0123456789")
