"""What was good and bad about the turns of a call, judged by what the caller really did.

A *hold* is a pause after which the caller went on by himself: he had not heard the agent, or not long enough to
react. A decision that his turn was over, taken inside a hold or when he speaks again already, is a *false cut-off*; an
answer that becomes audible then is an *agent interruption*.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipelines.events import CallEvent, EventKind
from pipelines.machines.speculation import Ledger
from pipelines.replay.caller import Axis, Facts, Span
from pipelines.timing import Mark, Turn, response_latency_ms


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One turn."""

    index: int
    started_ms: float
    recording_ms: float  # where that is in the recording
    by_caller: bool
    caller_text: str
    heard_text: str
    speech_end_ms: float | None = None
    decided_ms: float | None = None
    wait_ms: float | None = None  # last sample of speech → decision
    response_latency_ms: float | None = None
    false_cut_offs: int = 0  # decisions taken too early, also those that were taken back
    interrupts_caller: bool = False
    interrupted: bool = False  # by the caller
    speculation: Ledger = Ledger()
    agent_started_ms: float | None = None
    agent_ended_ms: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A whole call."""

    turns: list[Judged]
    decisions: int
    false_cut_offs: int
    agent_interruptions: int
    barge_ins: int
    false_alarms: int
    resumed_turns: int
    speculation: Ledger


def judge(turns: Sequence[Turn], events: Sequence[CallEvent], facts: Facts, axis: Axis | None = None) -> Verdict:
    """`facts` of the recorded call; `axis`: that of a replay, None for the recorded call itself."""
    axis = axis or Axis()
    facts = facts.moved(axis)
    ordered = sorted(turns, key=lambda turn: turn.index)
    stops = [event for event in events if event.kind is EventKind.CALLER_STOPPED_SPEAKING]
    early = [event for event in stops if _inside(event.at_ms, [*facts.holds, *facts.speech])]
    barged = {event.turn for event in events if event.kind is EventKind.BARGE_IN}
    judged = [_judge_turn(turn, early, turn.index in barged, facts, axis) for turn in ordered]
    return Verdict(
        turns=judged,
        decisions=len(stops),
        false_cut_offs=len(early),
        agent_interruptions=sum(turn.interrupts_caller for turn in judged),
        barge_ins=len(barged),
        false_alarms=sum(event.kind is EventKind.FALSE_ALARM for event in events),
        resumed_turns=sum(event.kind is EventKind.TURN_RESUMED for event in events),
        speculation=sum((turn.speculation for turn in ordered), Ledger()),
    )


def _judge_turn(turn: Turn, early: list[CallEvent], barged: bool, facts: Facts, axis: Axis) -> Judged:
    speech_end, decided = turn.marks.get(Mark.SPEECH_END), turn.marks.get(Mark.ENDPOINT)
    wait = None if speech_end is None or decided is None else decided - speech_end
    audible = turn.agent_started_ms
    return Judged(
        index=turn.index,
        started_ms=_tenths(turn.started_ms),
        recording_ms=_tenths(axis.recorded(turn.started_ms)),
        by_caller=turn.caller_started_ms is not None,
        caller_text=turn.caller_text,
        heard_text=turn.heard_text,
        speech_end_ms=_rounded(speech_end),
        decided_ms=_rounded(decided),
        wait_ms=_rounded(wait),
        response_latency_ms=_rounded(response_latency_ms(turn.marks)),
        false_cut_offs=sum(_belongs(event, turn) for event in early),
        interrupts_caller=audible is not None and _inside(audible, [*facts.holds, *facts.speech]),
        interrupted=barged,
        speculation=turn.speculation,
        agent_started_ms=_rounded(audible),
        agent_ended_ms=_rounded(turn.agent_ended_ms),
    )


def _belongs(stop: CallEvent, turn: Turn) -> bool:
    if turn.caller_started_ms is None or turn.caller_ended_ms is None:
        return False
    return turn.caller_started_ms <= float(stop.data["speech_end_ms"]) <= turn.caller_ended_ms


def _inside(at_ms: float, spans: Sequence[Span]) -> bool:
    return any(start <= at_ms < end for start, end in spans)


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else _tenths(ms)


def _tenths(ms: float) -> float:
    return round(ms, 1)


# --- side by side ---------------------------------------------------------------------------------

SAME_SPEECH_MS = 500.0  # turns that begin so close to each other are one and the same
SAME_PROMPT_MS = 3000.0  # of the agent's own accord: it waits for other things

Pair = tuple[Judged | None, Judged | None]


def side_by_side(recorded: Sequence[Judged], replayed: Sequence[Judged]) -> list[Pair]:
    """Every turn of either call, beside its like of the other if there is one, in order of time."""
    left = list(replayed)
    pairs: list[Pair] = []
    for turn in recorded:
        limit = SAME_SPEECH_MS if turn.by_caller else SAME_PROMPT_MS
        alike = [
            other
            for other in left
            if other.by_caller is turn.by_caller and abs(other.recording_ms - turn.recording_ms) <= limit
        ]
        other = min(alike, key=lambda candidate: abs(candidate.recording_ms - turn.recording_ms), default=None)
        if other is not None:
            left.remove(other)
        pairs.append((turn, other))
    pairs += [(None, other) for other in left]
    return sorted(pairs, key=lambda pair: min(turn.recording_ms for turn in pair if turn is not None))


class Fidelity(msgspec.Struct, frozen=True):
    """How well a replay with the recorded settings repeats the recorded call."""

    turns: int
    repeated: int  # with the same text, the same end, the same interruption
    worst_ms: float  # largest deviation of a decision, or of the beginning or end of an answer, in these


def fidelity(recorded: Sequence[Judged], control: Sequence[Judged]) -> Fidelity:
    repeated, worst = 0, 0.0
    for ours, theirs in side_by_side(recorded, control):
        if ours is None or theirs is None:
            continue
        if (ours.caller_text, ours.interrupted) != (theirs.caller_text, theirs.interrupted):
            continue
        repeated += 1
        for name in ("decided_ms", "agent_started_ms", "agent_ended_ms"):
            one, other = getattr(ours, name), getattr(theirs, name)
            if one is not None and other is not None:
                worst = max(worst, abs(one - other))
    return Fidelity(max(len(recorded), len(control)), repeated, _tenths(worst))
