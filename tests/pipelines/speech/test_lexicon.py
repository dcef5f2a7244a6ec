from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.speech.lexicon import Lexicon, spell


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    dictionary = tmp_path / "words.dict"
    dictionary.write_text("read R EH D\nread(2) R IY D\nback B AE K\nyard Y AA R D\n")
    return Lexicon(dictionary)


def test_a_word_may_have_variants(lexicon: Lexicon) -> None:
    assert lexicon.pronunciations("read") == ["R EH D", "R IY D"]
    assert "read" in lexicon


def test_our_own_words_are_added(lexicon: Lexicon) -> None:
    assert lexicon.pronunciations("toothache") == ["T UW TH EY K"]


def test_unknown_words_are_compounds_or_possessives_or_spelled(lexicon: Lexicon) -> None:
    assert lexicon.pronunciations("backyard") == ["B AE K Y AA R D"]
    assert lexicon.pronunciations("yard's") == ["Y AA R D Z"]
    assert lexicon.pronunciations("shum") == ["SH AH M"]


@pytest.mark.parametrize("text", ["24", "", "ü", "$"])
def test_what_is_no_word_has_no_sound(lexicon: Lexicon, text: str) -> None:
    assert lexicon.pronunciations(text) == []


def test_writes_only_the_words_asked_for(lexicon: Lexicon, tmp_path: Path) -> None:
    lexicon.write({"yard", "read"}, tmp_path / "out.dict")
    assert (tmp_path / "out.dict").read_text() == "read R EH D\nread(2) R IY D\nyard Y AA R D\n"


def test_spelling_knows_digraphs_and_the_silent_e() -> None:
    assert spell("shane") == "SH AE N"
    assert spell("quick") == "K W IH K"
