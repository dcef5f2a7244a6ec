"""What was said in a call as one text, for surfaces that show it so: a line each time somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence

from voicecore.domain.calls import StoredTurn

CALLER, AGENT = "Customer", "Agent"  # who speaks


def parted(text: str) -> list[tuple[str, str]]:
    """The reverse: who said what. A line without a speaker goes on with what the one before said; at the beginning the
    caller is taken to speak."""
    lines: list[tuple[str, str]] = []
    for line in text.splitlines():
        who, colon, said = line.partition(":")
        if colon and who in (CALLER, AGENT):
            lines.append((who, said.strip()))
        elif line.strip() and lines:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]}\n{line}".lstrip("\n"))
        elif line.strip():
            lines.append((CALLER, line))
    return [(who, said) for who, said in lines if said]


def joined(turns: Sequence[StoredTurn]) -> str:
    """Of the agent only what was heard of him."""
    lines: list[str] = []
    for turn in turns:
        said = ((CALLER, turn.caller_text), (AGENT, turn.heard_text))
        lines += [f"{who}: {text}" for who, text in said if text]
    return "\n".join(lines)
