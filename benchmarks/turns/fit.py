"""`python -m benchmarks.turns.fit`: fits the weights of `pipelines/machines/odds.yaml` to `data/wide.yaml`.

Texts only: a ridge-penalised logistic regression over the product's own signs, judged on domains that it was not
fitted to. It knows no audio, and no text of the test half.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.turns.baselines import open_ends
from benchmarks.turns.render import HOLD_LENGTHS_S, HOLD_SHARES
from pipelines.machines import odds
from pipelines.machines.completeness import End
from pipelines.machines.patience import SLOPE
from pipelines.machines.words import word_lists
from pipelines.stages import Expect

Floats = npt.NDArray[np.float64]
Domains = dict[str, dict[str, dict[str, list[str]]]]  # language → domain → asked for → turns

LATER = "later"  # anything was asked for, but not as the call began
FILLERS = {"en": ("um", "uh", "er"), "de": ("äh", "ähm", "hm")}
INNER_SHARE = 0.45  # of the turns have a hold after a word that leaves them open: half of the holds are such ones
FILLED_SHARE = 0.08  # and a filled one
UNHINTED_SHARE = 0.5  # of the answers come a second time, without a hint of what was asked for
BUDGETS = (0.05, 0.10)
WAITS_S = (0.1, 3.0)
PENALTY = 1.0
# What logic says of signs that are rare in the data, or missing: the ridge pulls there, and to 0 elsewhere.
BELIEVED = {"hesitating": -4.0, "open": -3.0, "partial": -3.0, "half": -1.0, "unknown": 0.5, "counted": 3.0}
NAMES = sorted(
    {end.name.lower() for end in End}
    | set(odds.ASKED_FOR.values())
    | {"words", "joined", "subject", "answered", "agreed", "counted"}
    | {"opening", "opening_words", "wanting_words", "closed_words"}
)
HEAD = """\
# What each sign adds to the log odds that a turn is over: see odds.py. Fitted, not written by hand:
# python -m benchmarks.turns.fit --write
"""


class Sample(msgspec.Struct, frozen=True):
    """A silence: what was said until then, and whether it was the end."""

    domain: str
    language: str
    expect: Expect
    opening: bool  # the call's first question is answered
    said: str
    over: bool


def load() -> Domains:
    return msgspec.yaml.decode(files("benchmarks.turns").joinpath("data/wide.yaml").read_bytes(), type=Domains)


def samples(domains: Domains) -> list[Sample]:
    """Every marked hold and every end; and holds after words that leave a turn open, some of them filled."""
    random = np.random.default_rng(1)
    found = []
    for language, parts in domains.items():
        for domain, asked in parts.items():
            for name, turns in asked.items():
                expect = Expect.ANYTHING if name == LATER else Expect(name)
                opening = name == Expect.ANYTHING
                for turn in turns:
                    said = [(text, False) for text in _open_holds(turn, language, random)]
                    said += _marked(turn)
                    found += [Sample(domain, language, expect, opening, text, over) for text, over in said]
                    if expect is not Expect.ANYTHING and random.random() < UNHINTED_SHARE:
                        found += [Sample(domain, language, Expect.ANYTHING, False, *one) for one in said]
    return found


def _marked(turn: str) -> list[tuple[str, bool]]:
    parts = [part.strip() for part in turn.split("|")]
    return [(" ".join(parts[: count + 1]), count + 1 == len(parts)) for count in range(len(parts))]


def _open_holds(turn: str, language: str, random: np.random.Generator) -> list[str]:
    words = turn.replace("|", " ").split()
    places = [at for at in range(1, len(words)) if words[at - 1] in open_ends(language)]
    found = []
    if places and random.random() < INNER_SHARE:
        found.append(" ".join(words[: random.choice(places)]))
    if len(words) > 3 and random.random() < FILLED_SHARE:
        found.append(" ".join([*words[: random.choice(places or [1])], random.choice(FILLERS[language])]))
    return found


# --- the model ------------------------------------------------------------------------------------


def table(found: Sequence[Sample]) -> tuple[Floats, Floats]:
    """Signs (a row a sample, a column a name) and whether the turn was over (0, 1)."""
    rows = [odds.signs(one.said, word_lists(one.language), one.expect, opening=one.opening) for one in found]
    return (
        np.array([[row.get(name, 0.0) for name in NAMES] for row in rows]),
        np.array([float(one.over) for one in found]),
    )


def fitted(signs: Floats, over: Floats) -> Floats:
    """Newton's method; it converges in a few steps."""
    believed = np.array([BELIEVED.get(name, 0.0) for name in NAMES])
    weights = believed.copy()
    for _ in range(30):
        likely = _likely(signs @ weights)
        gradient = signs.T @ (likely - over) + PENALTY * (weights - believed)
        curvature = signs.T @ (signs * (likely * (1 - likely))[:, None]) + PENALTY * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, gradient)
    return weights


def _likely(log_odds: Floats) -> Floats:
    likely: Floats = 1 / (1 + np.exp(-log_odds))
    return likely


def crossed(found: Sequence[Sample], signs: Floats, over: Floats) -> Floats:
    """Log odds of every sample by the model of all other domains."""
    domains = np.array([one.domain for one in found])
    log_odds = np.zeros(len(found))
    for domain in dict.fromkeys(domains):
        own = domains == domain
        log_odds[own] = signs[own] @ fitted(signs[~own], over[~own])
    return log_odds


# --- what it is worth -----------------------------------------------------------------------------


def ranked(log_odds: Floats, over: Floats) -> float:
    """The share of pairs of an end and a hold of which the end is thought the likelier one (area under the ROC)."""
    ends, holds = log_odds[over == 1], log_odds[over == 0]
    return float((ends[:, None] > holds).mean() + (ends[:, None] == holds).mean() / 2)


def waits(log_odds: Floats, over: Floats) -> list[float]:
    """Seconds: the mean wait at the ends when so many of the holds are cut off, for each of the budgets. Holds are as
    long as those of the dialogues, whatever was said before them."""
    shape = np.exp(-SLOPE * np.minimum(odds.SUREST, log_odds))
    points = []
    for base_s in np.geomspace(0.01, 20, 800):
        waited = np.clip(base_s * shape, *WAITS_S)
        cut_off = 1 - np.interp(waited[over == 0], HOLD_LENGTHS_S, HOLD_SHARES)
        points.append((float(cut_off.mean()), float(waited[over == 1].mean())))
    return [min(wait for rate, wait in points if rate <= budget) for budget in BUDGETS]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns.fit", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the weights into pipelines/machines/odds.yaml")
    args = parser.parse_args(arguments)
    found = samples(load())
    signs, over = table(found)
    log_odds = crossed(found, signs, over)
    _show("silence alone", np.zeros(len(found)), over)
    _show("other domains' model", log_odds, over)
    for domain in dict.fromkeys(one.domain for one in found):
        own = np.array([one.domain == domain for one in found])
        _show(f"  {domain}", log_odds[own], over[own])
    for name in NAMES:
        rest = np.where(np.array(NAMES) == name, 0.0, signs)
        _show(f"without {name}", crossed(found, rest, over), over)
    weights = {name: round(float(weight), 2) for name, weight in zip(NAMES, fitted(signs, over), strict=True)}
    print(weights)
    if args.write:
        target = Path(str(files("pipelines.machines").joinpath("odds.yaml")))
        target.write_text(HEAD + msgspec.yaml.encode(weights).decode())
    return 0


def _show(name: str, log_odds: Floats, over: Floats) -> None:
    at_5, at_10 = waits(log_odds, over)
    likely = np.clip(_likely(log_odds), 1e-9, 1 - 1e-9)
    loss = -np.mean(over * np.log(likely) + (1 - over) * np.log(1 - likely))
    counts = f"{int((1 - over).sum())} holds, {int(over.sum())} ends"
    figures = f"loss {loss:.3f}  ranked {ranked(log_odds, over):.3f}  wait {at_5:.2f} {at_10:.2f} s"
    print(f"{name:<26} {counts:<22} {figures}")


if __name__ == "__main__":
    sys.exit(main())
