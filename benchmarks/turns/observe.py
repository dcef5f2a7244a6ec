"""What happened in one simulated call, event by event: answers, yields, interruptions, bystanders' sounds.

Definitions follow tau-voice (tau2-bench, `docs/interaction-metrics.md`) where it has one, on samples instead of its
200 ms ticks; what differs stands beside each event and in the README. Seconds everywhere.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from benchmarks.turns import eva
from pipelines.machines.speculation import Ledger
from pipelines.simulation.call import Outcome
from pipelines.simulation.caller import Done
from pipelines.simulation.script import BYSTANDERS, TURNS, Kind
from pipelines.timing import Turn

GAP_MS = 200.0  # a silence of the agent's that parts its speech: one tick of tau-voice
YIELD_WITHIN_MS = 2000.0  # tau-voice, no_yield_window_sec
STOPPED_WITHIN_MS = 1000.0  # tau-voice, *_yield_window_sec of backchannels, tics and asides


class TurnSeen(msgspec.Struct, frozen=True):
    """One turn of the caller. None: did not happen, or is not asked of this turn."""

    latency_s: float | None  # last sample of labelled speech → first audible sample of a new answer, as sent
    asked: bool  # an answer was due: the agent was not speaking when the turn ended
    interruptions: int  # stretches of the agent's speech that began inside the turn, holds included
    yields: bool | None  # for a turn begun while the agent spoke
    yield_s: float | None
    eva: float


class BystanderSeen(msgspec.Struct, frozen=True):
    """A backchannel, a tic or speech to somebody else."""

    kind: Kind
    agent_speaking: bool
    kept: bool  # the agent kept the floor: went on to speak to the end, and answered nothing
    talked_through: bool  # and was not even silent for 200 ms within a second: tau-voice's rule


class Seen(msgspec.Struct, frozen=True):
    turns: tuple[TurnSeen, ...]
    bystanders: tuple[BystanderSeen, ...]
    speculation: Ledger  # over all turns
    answers: int  # turns with an answer of the model's


def observe(outcome: Outcome) -> Seen:
    done = [d for d in outcome.done if not d.dropped]
    turns = [d for d in done if d.move.kind in TURNS]
    voice = list(outcome.phone.voice(GAP_MS))
    nexts = [*(d.start_ms for d in turns[1:]), outcome.length_ms]
    seen = tuple(
        _turn(outcome, voice, turn, turns[i - 1].end_ms if i else 0.0, nexts[i]) for i, turn in enumerate(turns)
    )
    ends = [d.start_ms for d in turns] + [outcome.length_ms]
    bystanders = tuple(
        _bystander(outcome, voice, d, next(at for at in ends if at >= d.start_ms))
        for d in done
        if d.move.kind in BYSTANDERS
    )
    asked = [turn for turn in outcome.turns if turn.caller_started_ms is not None]
    return Seen(seen, bystanders, sum((t.speculation for t in asked), Ledger()), len(asked))


Voice = list[tuple[float, float]]


def _turn(outcome: Outcome, voice: Voice, turn: Done, previous_ms: float, next_ms: float) -> TurnSeen:
    start, end = turn.start_ms, turn.end_ms
    inside = [s for s in voice if start < s[0] < end]
    over = next((s for s in voice if s[0] <= start < s[1]), None)
    answer = _answer(outcome, end, previous_ms, next_ms)
    yields = yield_s = None
    if over is not None:
        resumed = any(_same_reply(outcome, over, s) for s in inside)
        yields = over[1] - start <= YIELD_WITHIN_MS and not resumed
        yield_s = (over[1] - start) / 1000 if yields else None
    return TurnSeen(
        latency_s=None if answer is None else (answer - end) / 1000,
        asked=not any(s[0] <= end < s[1] for s in voice),
        interruptions=len(inside),
        yields=yields,
        yield_s=yield_s,
        eva=eva.score(
            eva.ScoredTurn(
                caller=turn.speech,
                agent=[s for s in voice if start < s[0] < next_ms],
                agent_before=None if over is None else over[1],
            )
        ),
    )


def _answer(outcome: Outcome, end: float, previous_ms: float, next_ms: float) -> float | None:
    """When something is heard that was not heard before the turn ended: what goes on after a pause is no answer."""
    old = {p.request for p in outcome.phone.played if previous_ms <= p.end_ms and p.start_ms < end}
    heard = (p.start_ms for p in outcome.phone.played if p.request is not None and p.request not in old)
    return next((at for at in heard if end <= at < next_ms), None)


def _same_reply(outcome: Outcome, first: tuple[float, float], second: tuple[float, float]) -> bool:
    def requests(span: tuple[float, float]) -> set[int | None]:
        return {p.request for p in outcome.phone.played if span[0] <= p.start_ms < span[1]} - {None}

    return bool(requests(first) & requests(second))


def _bystander(outcome: Outcome, voice: Voice, event: Done, next_ms: float) -> BystanderSeen:
    """Until the caller's next turn, nothing of the agent's may change because of this sound."""
    start = event.start_ms
    over = next((s for s in voice if s[0] <= start < s[1]), None)
    answered = any(_began(turn, start, next_ms) for turn in outcome.turns)
    if over is None:
        return BystanderSeen(event.move.kind, False, not answered, not answered)
    cut = any(_cut(turn, start, next_ms) for turn in outcome.turns)
    paused = [a for (_, a), (b, _) in pairwise(voice) if start <= a <= start + STOPPED_WITHIN_MS and b < next_ms]
    kept = not (cut or answered)
    return BystanderSeen(event.move.kind, True, kept, kept and not paused)


def _began(turn: Turn, after: float, before: float) -> bool:
    """Was this an answer to something said, that began to be heard in this time?"""
    return turn.caller_started_ms is not None and after < (turn.agent_started_ms or 0.0) < before


def _cut(turn: Turn, after: float, before: float) -> bool:
    """Was this reply broken off in this time?"""
    began = turn.agent_started_ms
    return turn.interrupted and began is not None and began <= after < turn.ended_ms < before
