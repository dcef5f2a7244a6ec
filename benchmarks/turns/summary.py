"""From what was seen in many calls to the figures of a row. A figure that nothing stands behind is None."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import mean

import msgspec

from benchmarks.turns.observe import BystanderSeen, Seen
from pipelines.machines.speculation import Ledger
from pipelines.simulation.script import Kind


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a set of calls; the counts behind them stand first."""

    turns: int
    barge_ins: int
    bystanders: int
    response_rate: float | None
    response_latency_p50_s: float | None
    response_latency_p95_s: float | None
    response_latency_mean_s: float | None
    interruptions_per_turn: float | None
    yield_rate: float | None
    yield_latency_s: float | None  # mean
    yield_latency_p95_s: float | None
    selectivity: float | None  # mean over the kinds of the share in which the agent keeps the floor
    selectivity_backchannel: float | None
    selectivity_tic: float | None
    selectivity_non_directed: float | None
    selectivity_talked_through: float | None  # the same by tau-voice's rule: not even a pause
    eva_turn_taking: float | None
    speculation_hits: int  # answers begun before the turn's end was certain, and heard
    speculation_misses: int  # and thrown away
    speculation_saved_ms_per_answer: float | None
    speculation_tokens_wasted_per_answer: float | None
    speculation_characters_wasted_per_answer: float | None


def quantile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def rate(flags: Sequence[bool]) -> float | None:
    return mean(flags) if flags else None


def summarise(calls: Sequence[Seen]) -> Row:
    turns = [turn for call in calls for turn in call.turns]
    bystanders = [event for call in calls for event in call.bystanders]
    asked = [t for t in turns if t.asked]
    latencies = [t.latency_s for t in asked if t.latency_s is not None]
    barged = [t for t in turns if t.yields is not None]
    yields = [t.yield_s for t in barged if t.yield_s is not None]
    kept = {kind: _share(bystanders, kind, "kept") for kind in (Kind.BACKCHANNEL, Kind.TIC, Kind.NON_DIRECTED)}
    through = [_share(bystanders, kind, "talked_through") for kind in kept]
    ledger = sum((call.speculation for call in calls), Ledger())
    answers = sum(call.answers for call in calls)
    return Row(
        turns=len(turns),
        barge_ins=len(barged),
        bystanders=len(bystanders),
        response_rate=rate([t.latency_s is not None for t in asked]),
        response_latency_p50_s=quantile(latencies, 0.5),
        response_latency_p95_s=quantile(latencies, 0.95),
        response_latency_mean_s=mean(latencies) if latencies else None,
        interruptions_per_turn=mean(t.interruptions for t in turns) if turns else None,
        yield_rate=rate([bool(t.yields) for t in barged]),
        yield_latency_s=mean(yields) if yields else None,
        yield_latency_p95_s=quantile(yields, 0.95),
        selectivity=_mean_of(list(kept.values())),
        selectivity_backchannel=kept[Kind.BACKCHANNEL],
        selectivity_tic=kept[Kind.TIC],
        selectivity_non_directed=kept[Kind.NON_DIRECTED],
        selectivity_talked_through=_mean_of(through),
        eva_turn_taking=mean(t.eva for t in turns) if turns else None,
        speculation_hits=ledger.hits,
        speculation_misses=ledger.misses,
        speculation_saved_ms_per_answer=ledger.saved_ms / answers if answers else None,
        speculation_tokens_wasted_per_answer=ledger.tokens_wasted / answers if answers else None,
        speculation_characters_wasted_per_answer=ledger.characters_wasted / answers if answers else None,
    )


def _share(events: Sequence[BystanderSeen], kind: Kind, what: str) -> float | None:
    return rate([bool(getattr(event, what)) for event in events if event.kind is kind])


def _mean_of(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return mean(there) if there else None
