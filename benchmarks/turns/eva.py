"""The turn-taking score of EVA (github.com/ServiceNow/eva, metric `turn_taking` v0.2), written from its definition.

A turn is scored between 0 and 1 from what characterises it: an agent's interruption, the agent's yielding to the
caller, or the latency of the answer. The constants are EVA's published ones. Milliseconds; no audio is known here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

Spans = Sequence[tuple[float, float]]

# Latency: 0 → 1 between these two, 1 up to the third, and down to 0 at the fourth.
HARD_EARLY_MS, SWEET_LOW_MS, SWEET_HIGH_MS, HARD_LATE_MS = -500.0, 500.0, 2000.0, 3500.0
SWEET_HIGH_TOOL_MS, HARD_LATE_TOOL_MS = 3000.0, 5000.0  # the same for a turn in which a tool was called
INTERRUPTED_AT_MOST = 0.5  # interrupting the caller is never free
HARD_OVERLAP_MS = 2000.0  # so much speech over the caller's: 0
HARD_INTERRUPTIONS = 3  # so many in one turn: 0
HARD_YIELD_MS = 2000.0  # so long until the agent gives way: 0


class ScoredTurn(msgspec.Struct, frozen=True):
    """A turn as heard: `caller` are its stretches of speech, `agent` what began after the turn did and before the next,
    `agent_before` when what the agent had been saying before ended (None: it was silent as the caller began)."""

    caller: Spans
    agent: Spans
    agent_before: float | None = None
    tool: bool = False


def latency_score(latency_ms: float, *, tool: bool = False) -> float:
    high, late = (SWEET_HIGH_TOOL_MS, HARD_LATE_TOOL_MS) if tool else (SWEET_HIGH_MS, HARD_LATE_MS)
    if latency_ms <= HARD_EARLY_MS or latency_ms >= late:
        return 0.0
    if latency_ms < SWEET_LOW_MS:
        return (latency_ms - HARD_EARLY_MS) / (SWEET_LOW_MS - HARD_EARLY_MS)
    return 1.0 if latency_ms <= high else (late - latency_ms) / (late - high)


def yield_score(yield_ms: float) -> float:
    return max(0.0, 1.0 - max(0.0, yield_ms) / HARD_YIELD_MS)


def interruption_score(turn: ScoredTurn) -> float | None:
    """None when the agent did not begin to speak inside the caller's turn."""
    end = turn.caller[-1][1]
    intruding = [span for span in turn.agent if span[0] < end]
    if not intruding:
        return None
    overlap_ms = sum(max(0.0, min(b, d) - max(a, c)) for a, b in turn.caller for c, d in intruding)
    overlapping = sum(any(min(b, d) - max(a, c) > 1.0 for a, b in turn.caller) for c, d in intruding)
    scores = [INTERRUPTED_AT_MOST * (1.0 - overlap_ms / HARD_OVERLAP_MS)]
    if overlapping:
        scores.append(INTERRUPTED_AT_MOST * (1.0 - (overlapping - 1) / (HARD_INTERRUPTIONS - 1)))
    settled = [a for a, _ in turn.agent if a > end]
    if settled and not any(a <= end < b for a, b in turn.agent):
        scores.append(latency_score(min(settled) - end, tool=turn.tool))
    return max(0.0, min(scores))


def score(turn: ScoredTurn) -> float:
    """One turn's. A turn that nobody answers is left out by EVA unless it ends the call; here it scores 0."""
    interrupted = interruption_score(turn)
    yielded = None if turn.agent_before is None else yield_score(turn.agent_before - turn.caller[0][0])
    found = [value for value in (interrupted, yielded) if value is not None]
    if found:
        return min(found)
    if not turn.agent:
        return 0.0
    return latency_score(turn.agent[0][0] - turn.caller[-1][1], tool=turn.tool)
