"""False cut-offs against waiting: the curve of an endpointing policy, as LiveKit's eot-bench defines it.

A hold is a silence of 0.2 to 5 s inside a labelled turn; it is cut off when the turn is taken for over before the
caller goes on. The wait is counted from the last sample of a turn to the decision that it is over: dead air, not
computing time. Every hold of a turn is judged in its whole context, whatever was decided in an earlier one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import mean

import msgspec

from config.schema import AgentSettings, TurnPolicy
from pipelines.events import EventKind
from pipelines.simulation.call import Outcome, World
from pipelines.simulation.script import TURNS, Cue, Kind, Move, Script

SHORTEST_HOLD_S, LONGEST_HOLD_S = 0.2, 5.0  # eot-bench, --min-hold-span-duration and --max-hold-span-duration
NOTICED_S = 0.06  # a decision so short after the caller went on was made in the silence
NEVER_S = 5.0  # a turn whose end was not noticed before the next one began has been waited for as long as that
GAP_MS = 600.0
BUDGETS = (0.05, 0.10)
WAITS_S = (0.3, 0.6)


class Pause(msgspec.Struct, frozen=True):
    """A silence of the caller's and what a policy made of it. `decided_s`: after its beginning; None: not at all."""

    hold: bool
    length_s: float
    decided_s: float | None
    said: str  # of the turn, until then


class Ends(msgspec.Struct, frozen=True):
    """The silences of one turn, its end last."""

    pauses: tuple[Pause, ...]
    dialogue: str
    condition: str
    language: str


class Point(msgspec.Struct, frozen=True):
    """One setting of a policy. `knobs` names it."""

    knobs: str
    false_cutoff_rate: float  # of the holds
    mean_wait_s: float  # over the turns' ends
    turns_cut_off: float  # share of the turns with a false cut-off in any of their holds


class Curve(msgspec.Struct, frozen=True):
    """A policy over its settings: the four operating points that eot-bench reports, and all the points."""

    false_cutoffs_at_300ms: float | None
    false_cutoffs_at_600ms: float | None
    wait_at_5pct_s: float | None
    wait_at_10pct_s: float | None
    points: tuple[Point, ...]


def ends(move: Move, start_s: float, decisions: Sequence[float], next_s: float, of: tuple[str, str, str]) -> Ends:
    """A turn's silences. Seconds on one clock; `decisions`: when a turn was taken for over; `of`: see `Ends`."""
    spans = [(start_s + a / 1000, start_s + b / 1000) for a, b in move.clip.speech]
    found = []
    for (_, start), (end, _) in itertools.pairwise(spans):
        if SHORTEST_HOLD_S <= end - start <= LONGEST_HOLD_S:
            cut = next((t - start for t in decisions if start < t < end + NOTICED_S), None)
            found.append(Pause(True, end - start, cut, _said(move, start - start_s)))
    end = spans[-1][1]
    over = next((t - end for t in decisions if end < t < next_s), None)
    found.append(Pause(False, next_s - end, over, _said(move, end - start_s)))
    return Ends(tuple(found), *of)


def _said(move: Move, until_s: float) -> str:
    return " ".join(w.text for w in move.clip.words if (w.start_ms + w.end_ms) / 2000 <= until_s)


def point(knobs: str, turns: Sequence[Ends]) -> Point:
    holds = [pause for turn in turns for pause in turn.pauses if pause.hold]
    last = [turn.pauses[-1] for turn in turns]
    return Point(
        knobs=knobs,
        false_cutoff_rate=mean(p.decided_s is not None for p in holds) if holds else 0.0,
        mean_wait_s=mean(min(NEVER_S, p.decided_s or NEVER_S) for p in last),
        turns_cut_off=mean(any(p.hold and p.decided_s is not None for p in turn.pauses) for turn in turns),
    )


def curve(settings: Mapping[str, Sequence[Ends]]) -> Curve:
    """The best that any of the settings reaches within each budget; None when none keeps it."""
    points = tuple(point(knobs, turns) for knobs, turns in settings.items())

    def wait(budget: float) -> float | None:
        return min((p.mean_wait_s for p in points if p.false_cutoff_rate <= budget), default=None)

    def cutoffs(budget_s: float) -> float | None:
        return min((p.false_cutoff_rate for p in points if p.mean_wait_s <= budget_s), default=None)

    return Curve(cutoffs(WAITS_S[0]), cutoffs(WAITS_S[1]), wait(BUDGETS[0]), wait(BUDGETS[1]), points)


# --- our policy -----------------------------------------------------------------------------------


def sweep(*, quick: bool) -> list[TurnPolicy]:
    """Settings of ours: the base wait in steps, with the longest wait beside it; and, for the careful end of the curve,
    waits that nothing shortens or lengthens. Everything else as it comes."""
    come = TurnPolicy()
    longest = (come.max_wait_ms,) if quick else (1500, come.max_wait_ms)
    bases = (
        (100, 300, 450, 600, 800, 1100) if quick else (100, 150, 200, 300, 400, 500, 600, 700, 850, 1000, 1250, 1500)
    )
    found = [
        TurnPolicy(base_wait_ms=base, min_wait_ms=min(come.min_wait_ms, base), max_wait_ms=limit)
        for limit in longest
        for base in bases
    ]
    flat = (1000, 1500, 1800, 2100) if quick else range(400, 2400, 200)
    return found + [TurnPolicy(base_wait_ms=wait, min_wait_ms=wait, max_wait_ms=wait) for wait in flat]


def knobs(policy: TurnPolicy) -> str:
    return f"{policy.min_wait_ms} / {policy.base_wait_ms} / {policy.max_wait_ms} ms"


def patient(script: Script) -> Script:
    """The same turns without anything said over the agent: endpointing alone."""
    moves = tuple(
        msgspec.structs.replace(m, kind=Kind.TURN, cue=Cue.AFTER_AGENT, wait_ms=GAP_MS)
        for m in script.moves
        if m.kind in TURNS
    )
    return msgspec.structs.replace(script, moves=moves, patience_ms=15_000.0)


def slow_world(world: World, policy: TurnPolicy) -> World:
    """An agent whose model answers so late that a cut-off is never heard: the caller's turn goes on as if it had not
    been, and the next hold is judged with all of its words."""
    slow = msgspec.structs.replace(world.delays, llm_first_token_ms=(LONGEST_HOLD_S + 0.3) * 1000)
    policy = msgspec.structs.replace(policy, unexplained_silence_ms=30_000)
    return msgspec.structs.replace(world, agent=AgentSettings(turn=policy), delays=slow)


def decided(outcome: Outcome, condition: str) -> list[Ends]:
    turns = [d for d in outcome.done if d.move.kind in TURNS and not d.dropped]
    decisions = [e.at_ms / 1000 for e in outcome.events if e.kind is EventKind.CALLER_STOPPED_SPEAKING]
    nexts = [*(t.start_ms / 1000 for t in turns[1:]), outcome.length_ms / 1000]
    of = (outcome.script.name, condition, outcome.script.language)
    return [ends(turn.move, turn.at_ms / 1000, decisions, until, of) for turn, until in zip(turns, nexts, strict=True)]
