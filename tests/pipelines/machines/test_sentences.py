"""Tokens in, speakable chunks out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.machines.sentences import FIRST_CHUNK_MIN, LONGEST_CHUNK, SentenceChunker


def chunks_of(*tokens: str) -> list[str]:
    chunker = SentenceChunker()
    chunks = [chunk for token in tokens for chunk in chunker.feed(token)]
    rest = chunker.finish()
    return [*chunks, rest] if rest else chunks


def by_word(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


@pytest.mark.parametrize("end", [".", "!", "?", "…", "?!", '."', "。"])
def test_a_sentence_is_emitted_with_its_last_character(end: str) -> None:
    chunker = SentenceChunker()
    assert chunker.feed("We are ") == []
    assert chunker.feed("open") == []
    assert chunker.feed(end) == [f"We are open{end}"]
    assert chunker.finish() == ""


def test_several_sentences_in_one_token() -> None:
    assert chunks_of("Yes. We are open! Anything else? Just") == ["Yes.", "We are open!", "Anything else?", "Just"]


def test_a_line_break_ends_a_sentence() -> None:
    assert chunks_of("First\nSecond\n\nThird") == ["First", "Second", "Third"]


def test_the_first_chunk_may_end_at_a_comma() -> None:
    text = "Of course, I can help you with that, and I would be glad to, if you tell me when."
    chunks = chunks_of(*by_word(text))
    assert chunks[0] == "Of course, I can help you with that,"
    assert len(chunks[0]) >= FIRST_CHUNK_MIN
    assert chunks[1:] == ["and I would be glad to, if you tell me when."]  # later ones are whole sentences


@pytest.mark.parametrize(
    "sentence",
    [
        "That costs 3.50 euros in all.",
        "We close at 5 p.m. on Fridays.",
        "Dr. Smith will see you at ten.",
        "I spoke to Mr. and Mrs. Miller about it.",
        "Am 4. Dezember haben wir geöffnet.",
        "Das ist z.B. am Montag möglich.",
        "Die Praxis von Hr. Maier in Nr. 5 ist offen.",
        "Please write to info@example.com about that.",
        "It is room 1.204 on the left.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(sentence: str) -> None:
    assert chunks_of(*by_word(sentence)) == [sentence]
    if "@" not in sentence:
        assert chunks_of(*sentence) == [sentence]  # not even letter by letter


def test_a_price_that_is_cut_between_tokens_stays_whole() -> None:
    assert chunks_of("It costs 3", ".", "50", " in all", ".") == ["It costs 3.50 in all."]


def test_a_number_at_the_end_of_a_sentence_waits_for_what_follows() -> None:
    assert chunks_of("We close at 5.", " Anything else?") == ["We close at 5. Anything else?"]
    assert chunks_of("We close at 5.") == ["We close at 5."]


def test_a_sentence_without_end_is_cut_at_a_comma_or_a_space() -> None:
    text = "Well, " + "and so on " * 60
    chunks = chunks_of(*by_word(text))
    assert len(chunks) > 2
    assert all(len(chunk) <= LONGEST_CHUNK for chunk in chunks)
    assert " ".join(chunks).split() == text.split()
    assert chunks_of(text + "right.") == [*chunks[:-1], chunks[-1] + " right."]  # nor when it comes at once
    assert chunks_of("x" * (3 * LONGEST_CHUNK))[0] == "x" * LONGEST_CHUNK


def test_nothing_gives_nothing() -> None:
    assert chunks_of() == []
    assert chunks_of("", "  ", "\n") == []


PIECES = [*"abz 3450 \n.,!?;:…–'\")（。é", "Dr.", "p.m.", "z.B. ", " and so on", " and then again"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=200).map("".join)


@settings(max_examples=60, deadline=None)
@given(TEXT, st.data())
def test_no_text_is_lost_however_it_is_cut_into_tokens(text: str, data: st.DataObject) -> None:
    tokens, rest = [], text
    while rest:
        size = data.draw(st.integers(1, min(len(rest), 60)))
        tokens.append(rest[:size])
        rest = rest[size:]
    chunks = chunks_of(*tokens)
    assert "".join("".join(chunks).split()) == "".join(text.split())
    assert all(chunk == chunk.strip() and 0 < len(chunk) <= LONGEST_CHUNK for chunk in chunks)
