"""How likely is it that a caller's turn is over: his words and the agent's question in, log odds out.

A logistic model over a dozen and a half signs that can be read off by hand; its weights are data (`odds.yaml`), fitted
to callers' turns of many domains by `python -m benchmarks.turns.fit`. It knows neither time nor this caller.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

import msgspec

from pipelines.machines.completeness import UNFINISHED, End, judge, without_lead
from pipelines.machines.words import WordLists, words_of
from pipelines.stages import Expect

MOST_WORDS = 12  # more say no more
MOST_JOINED = 2
SUREST = (
    2.5  # 92 %: nobody's words make an end surer than that (of those thought surer, in domains left out, 90 % were)
)

# What was asked for, as far as its answers differ in how they go on
ASKED_FOR = {
    Expect.ANYTHING: "anything",
    Expect.YES_NO: "yes_no",
    Expect.NAME: "item",
    Expect.SERVICE: "item",
    Expect.ADDRESS: "item",
    Expect.DATE: "when",
    Expect.TIME: "when",
    Expect.DATE_TIME: "when",
    Expect.PHONE: "dictated",
    Expect.EMAIL: "dictated",
    Expect.SPELLING: "dictated",
    Expect.NUMBER: "dictated",
}


def log_odds(
    text: str, lists: WordLists, expect: Expect = Expect.ANYTHING, length: int = 0, *, opening: bool = False
) -> float:
    """ln(over / not over) after these words, as an answer to a question for `expect` (`length`: digits of the number
    asked for, or 0; `opening`: the call's first). 0: as likely as not."""
    known = weights()
    found = signs(text, lists, expect, length, opening=opening)
    return min(SUREST, sum(known[name] * value for name, value in found.items()))


@cache
def weights() -> dict[str, float]:
    data = resources.files("pipelines.machines").joinpath("odds.yaml").read_bytes()
    return msgspec.yaml.decode(data, type=dict[str, float])


def signs(text: str, lists: WordLists, expect: Expect, length: int = 0, *, opening: bool = False) -> dict[str, float]:
    """What speaks for the end of a turn, or against it: sign → how much of it there is. Zeros may be missing."""
    end = judge(text, lists, expect, length)
    found = {end.name.lower(): 1.0}
    if length and end is End.WHOLE:
        return {"counted": 1.0}
    if end is End.UNKNOWN or end in UNFINISHED:
        return found
    words = [word for word in words_of(text) if word not in lists.hesitation]
    core = without_lead(words, lists)
    length_of_it = math.log(min(len(core), MOST_WORDS))
    if end in (End.WANTING, End.CLOSED):
        return found | {end.name.lower() + "_words": length_of_it}
    joins = lists.leading | lists.fronting | lists.subordinator
    found |= {
        ASKED_FOR[expect]: 1.0,
        "words": length_of_it,
        "joined": float(min(MOST_JOINED, sum(word in joins for word in core[1:-1]))),
        "subject": float(core[0] in lists.pronoun or core[0] in lists.subject),  # he tells something
        "agreed": float(words[0] in lists.short_answer),  # or refused: the answer, whatever was asked for
        "answered": _answered(words, lists, expect),
    }
    if expect is Expect.ANYTHING and opening:
        found |= {"opening": 1.0, "opening_words": length_of_it}  # the concern: it takes more words than an answer does
    return found


def _answered(words: list[str], lists: WordLists, expect: Expect) -> float:
    """How much there is of what was asked for, 0…1."""
    dated = any(word in lists.date or word in lists.month for word in words)
    timed = any(word in lists.time for word in words) or words[-1] in lists.digits
    if expect is Expect.DATE:
        return float(dated)
    if expect is Expect.TIME:
        return float(timed)
    if expect is Expect.DATE_TIME:
        return (dated + timed) / 2
    return 0.0
