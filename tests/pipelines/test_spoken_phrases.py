"""What the driver says by itself exists in every language it knows."""

from __future__ import annotations

import pytest

from pipelines.phrases import phrases


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_phrase_is_a_sentence(language: str) -> None:
    spoken = phrases(language)
    for name in spoken.__struct_fields__:
        text = getattr(spoken, name)
        assert text.strip() == text
        assert text[-1] in ".?!", f"{language}.{name}"


def test_tags_fall_back() -> None:
    assert phrases("de-AT") is phrases("DE")
    assert phrases("fr") is phrases("en")
    assert phrases("de") != phrases("en")
