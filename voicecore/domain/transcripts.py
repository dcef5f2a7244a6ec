"""What was said in a call as one text, for surfaces that show it so: a line each time somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence

from voicecore.domain.calls import StoredTurn

CALLER, AGENT = "Customer", "Agent"  # who speaks


def joined(turns: Sequence[StoredTurn]) -> str:
    """Of the agent only what was heard of him."""
    lines: list[str] = []
    for turn in turns:
        said = ((CALLER, turn.caller_text), (AGENT, turn.heard_text))
        lines += [f"{who}: {text}" for who, text in said if text]
    return "\n".join(lines)
