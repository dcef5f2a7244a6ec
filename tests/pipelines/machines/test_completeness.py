"""What the last words of a caller are: the end of a turn or the middle of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.machines.completeness import End, judge
from pipelines.machines.words import WordLists, word_lists
from pipelines.stages import Expect


def end(text: str, expect: Expect = Expect.ANYTHING, language: str = "en") -> End:
    return judge(text, word_lists(language), expect)


@pytest.mark.parametrize("text", ["", "  ", "..."])
def test_nothing_said_is_unknown(text: str) -> None:
    assert end(text) is End.UNKNOWN


@pytest.mark.parametrize("text", ["i want um", "let me see", "hold on", "sure one moment"])
def test_a_caller_who_looks_for_words_hesitates(text: str) -> None:
    assert end(text) is End.HESITATING


@pytest.mark.parametrize(
    "text",
    [
        "i want to book a table and",
        "i want to book a table for",
        "i'd like the",
        "how much is the",
        "she has a fever because",
        "I'd like to come on.",  # recognisers put full stops anywhere
        "my name is",
        "i need a table,",
        "at half past",
    ],
)
def test_open_ends(text: str) -> None:
    assert end(text) is End.OPEN


@pytest.mark.parametrize("text", ["can i", "what time do you", "is there", "i would like", "how much is"])
def test_a_verb_wants_more_but_may_be_the_last_word(text: str) -> None:
    assert end(text) is End.WANTING


@pytest.mark.parametrize("text", ["either tuesday", "if you have anything earlier", "on march"])
def test_half_sentences(text: str) -> None:
    assert end(text) is End.HALF


@pytest.mark.parametrize(
    "text",
    [
        "Tuesday at three.",
        "i need a haircut",
        "this is john smith",
        "i'd like to come in on friday",
        "the fourteenth of march",
        "if you have anything earlier that would be great",
        "either tuesday or wednesday at three",
    ],
)
def test_whole_sentences(text: str) -> None:
    assert end(text) is End.PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "what time do you open",
        "and what would it cost",
        "what do you have",
        "okay who is this",
        "is it open in the evening",
        "can you repeat that",
        "Tuesday?",
    ],
)
def test_whole_questions(text: str) -> None:
    assert end(text) is End.ASKED


@pytest.mark.parametrize(
    "text", ["thank you", "no thanks", "that's all", "a table for two please", "i don't know", "yes it is"]
)
def test_closings(text: str) -> None:
    assert end(text) is End.CLOSED


@pytest.mark.parametrize(
    ("expect", "text", "expected"),
    [
        (Expect.YES_NO, "yes", End.PLAIN),
        (Expect.YES_NO, "yes that's right", End.PLAIN),
        (Expect.YES_NO, "yes but", End.OPEN),
        (Expect.PHONE, "five five five", End.PARTIAL),
        (Expect.PHONE, "sure", End.PARTIAL),
        (Expect.PHONE, "five five five two three four nine eight seven six", End.WHOLE),
    ],
)
def test_an_answer_is_judged_by_its_question(expect: Expect, text: str, expected: End) -> None:
    assert end(text, expect) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ich möchte einen termin", End.HALF),  # the verb is still to come
        ("ich möchte einen termin vereinbaren", End.PLAIN),
        ("kann ich morgen", End.HALF),
        ("kann ich morgen vorbeikommen", End.ASKED),
        ("ich rufe an weil meine heizung", End.HALF),
        ("ich wollte fragen ob sie am samstag geöffnet haben", End.PLAIN),
        ("das mache ich", End.PLAIN),
        ("dann möchte ich", End.WANTING),
        ("wann haben sie geöffnet", End.ASKED),
        ("ich brauche einen", End.OPEN),
        ("entweder am montag", End.HALF),
        ("vielen dank", End.CLOSED),
        ("ja aber", End.OPEN),
        ("moment bitte", End.HESITATING),
        ("null eins sieben", End.RUNNING),
    ],
)
def test_german(text: str, expected: End) -> None:
    assert end(text, language="de") is expected


def test_an_unknown_language_judges_by_punctuation_alone() -> None:
    assert end("Tak?", language="xx") is End.ASKED
    assert end("tak og", language="xx") is End.PLAIN
    assert end("tak,", language="xx") is End.OPEN


_SOME = sorted(word_lists("en").open | word_lists("en").hesitation | set(word_lists("en").digits) | {"dot", "a", "x"})


@given(st.lists(st.sampled_from(_SOME), max_size=7), st.sampled_from(Expect), st.sampled_from(["en", "de", "xx"]))
def test_every_text_has_an_end(words: list[str], expect: Expect, language: str) -> None:
    lists: WordLists = word_lists(language)
    found = judge(" ".join(words), lists, expect)
    assert (found is End.UNKNOWN) == (not words)
