from __future__ import annotations

import pytest

from pipelines.speech.corpus import Grammar, grammar, parse, shipped_rules
from pipelines.speech.expectations import MODELLED, model_for
from pipelines.stages import Expect


def said(rules: dict[str, list[str]], rule: str = "start", count: int = 400) -> set[str]:
    return {" ".join(words) for words in Grammar(rules).draw(rule, count, seed=1)}


def test_words_choices_options_and_rules() -> None:
    rules = {"start": ["[please] {verb} (it|the thing)"], "verb": ["move", "cancel"]}
    assert said(rules) == {
        f"{please}{verb} {thing}"
        for please in ("", "please ")
        for verb in ("move", "cancel")
        for thing in ("it", "the thing")
    }


def test_brackets_nest_and_may_be_empty() -> None:
    assert said({"start": ["a [b (c|)]"]}) == {"a", "a b", "a b c"}


def test_weights_are_kept() -> None:
    drawn = list(Grammar({"start": ["9*often", "seldom"]}).draw("start", 2000, seed=3))
    assert 0.86 < drawn.count(("often",)) / 2000 < 0.94


def test_the_same_seed_says_the_same() -> None:
    drawn = grammar(())
    assert list(drawn.draw("say_anything", 50, 7)) == list(drawn.draw("say_anything", 50, 7))
    assert list(drawn.draw("say_anything", 50, 7)) != list(drawn.draw("say_anything", 50, 8))


@pytest.mark.parametrize("line", ["a (b", "a b)", "[a)", "(a]"])
def test_unbalanced_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each case has its own message
        parse(line)


def test_every_expectation_has_sentences_and_every_rule_exists() -> None:
    drawn = grammar(("teeth whitening",))
    for expect in MODELLED:
        sentences = list(drawn.draw(f"say_{expect}", 3000, seed=1))  # an unknown rule would raise
        assert len(set(sentences)) > 300
        assert all("{" not in word for words in sentences for word in words)
    assert len(shipped_rules()["FIRST"]) > 300
    assert len(shipped_rules()["LAST"]) > 300


def test_every_expectation_is_served_by_a_model() -> None:
    assert {model_for(expect) for expect in Expect} == set(MODELLED)
    assert model_for(Expect.NUMBER) is Expect.PHONE


def test_topics_are_talked_about() -> None:
    drawn = grammar(("zyxwold polishing",))
    sentences = [" ".join(words) for words in drawn.draw("say_anything", 5000, seed=1)]
    assert any(s != "zyxwold polishing" and "zyxwold polishing" in s for s in sentences)
