"""What the driver says by itself exists in every language it knows."""

from __future__ import annotations

import pytest

from pipelines.phrases import all_sentences, first_aid, phrases


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_phrase_is_a_sentence(language: str) -> None:
    spoken = phrases(language)
    for name in spoken.__struct_fields__:
        text = getattr(spoken, name)
        assert text.strip() == text
        assert text[-1] in ".?!", f"{language}.{name}"


def test_first_aid_is_cut_as_a_voice_is_given_it() -> None:
    aid = first_aid("en")
    assert " ".join(aid).startswith(f"{phrases('en').one_moment} {phrases('en').still_working}")
    assert "Could you say that again?" in aid
    assert {*aid, *first_aid("de"), phrases("de").still_there} <= all_sentences()


def test_tags_fall_back() -> None:
    assert phrases("de-AT") is phrases("DE")
    assert phrases("fr") is phrases("en")
    assert phrases("de") != phrases("en")
