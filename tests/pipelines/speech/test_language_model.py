from __future__ import annotations

import io
import math

import pytest

from pipelines.speech.language_model import Trigrams

SENTENCES = [(("we", "are", "open"), 3.0), (("are", "we", "open"), 1.0), (("open",), 1.0)]


class Arpa:
    """Reads the text back and computes as any decoder does."""

    def __init__(self, text: str) -> None:
        self.grams: dict[tuple[str, ...], tuple[float, float]] = {}
        order = 0
        for line in text.splitlines():
            if line.startswith("\\"):
                order = int(line[1]) if line[1].isdigit() else 0
            elif order and line:
                probability, *words = line.split()
                back_off = float(words.pop()) if len(words) > order else 0.0
                self.grams[tuple(words)] = (float(probability), back_off)

    def probability(self, *words: str) -> float:
        if words in self.grams:
            return float(10 ** self.grams[words][0])
        return float(10 ** self.grams.get(words[:-1], (0, 0.0))[1]) * self.probability(*words[1:])


@pytest.fixture(scope="module")
def model() -> Arpa:
    out = io.StringIO()
    Trigrams(SENTENCES).write(out)
    return Arpa(out.getvalue())


@pytest.mark.parametrize("context", [("we",), ("<s>",), ("<s>", "we"), ("we", "are"), ("open", "we")])
def test_probabilities_of_what_follows_add_up_to_one(model: Arpa, context: tuple[str, ...]) -> None:
    following = ("we", "are", "open", "</s>", "<s>")
    total = sum(0 if word == "<s>" else model.probability(*context, word) for word in following)
    assert math.isclose(total, 1.0, abs_tol=0.01)


def test_what_was_said_is_likelier_than_what_was_not(model: Arpa) -> None:
    assert model.probability("<s>", "we", "are") > 0.5
    assert 0 < model.probability("we", "are", "we") < 0.1


def test_weights_count(model: Arpa) -> None:
    assert model.probability("<s>", "we") > 2 * model.probability("<s>", "are")
