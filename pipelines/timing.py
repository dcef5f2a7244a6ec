"""A turn and its marks, and the waterfall of stages that tiles its response time exactly.

Marks are call time in milliseconds. Each part of the waterfall is what the caller *waited* for in that
stage: a mark that came earlier than its predecessor (speculation, streaming) costs nothing, so the
parts always add up to `response_latency`, which runs from the last sample of the caller's speech to
the first audible frame on the socket.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise

import msgspec

from pipelines.machines.speculation import Ledger
from pipelines.usage import Usage


class Mark(StrEnum):
    """In the order in which a turn passes them. A new mark is one line here and shows in the waterfall."""

    SPEECH_END = "speech_end"  # last sample of the caller's speech
    ENDPOINT = "endpoint"  # decided: the turn is over
    TRANSCRIPT = "transcript"  # final text
    FIRST_TOKEN = "first_token"  # first token of spoken text (tools are part of the wait)
    FIRST_CHUNK = "first_chunk"  # first speakable chunk
    FIRST_AUDIO = "first_audio"  # first audible sample came from the voice
    FIRST_FRAME = "first_frame"  # it went to the socket


class Stage(StrEnum):
    """The wait that ends at the mark beside it."""

    ENDPOINT_WAIT = "endpoint_wait"
    STT = "stt"
    LLM = "llm"
    AGGREGATION = "aggregation"
    TTS = "tts"
    PLAYOUT = "playout"


WATERFALL: tuple[tuple[Stage, Mark], ...] = tuple(zip(Stage, list(Mark)[1:], strict=True))

Marks = dict[Mark, float]


def waterfall(marks: Marks) -> dict[Stage, float]:
    """Milliseconds waited in each stage. Empty unless the turn was answered (both ends are marked)."""
    if Mark.SPEECH_END not in marks or Mark.FIRST_FRAME not in marks:
        return {}
    end = marks[Mark.FIRST_FRAME]
    edges = [marks[Mark.SPEECH_END]]
    for _, mark in WATERFALL:
        at = marks.get(mark, edges[-1])
        edges.append(min(max(at, edges[-1]), end))
    edges[-1] = end
    return {stage: after - before for (stage, _), (before, after) in zip(WATERFALL, pairwise(edges), strict=True)}


def response_latency_ms(marks: Marks) -> float | None:
    """Last sample of speech → first audible frame on the socket; None for a turn without an answer."""
    if Mark.SPEECH_END not in marks or Mark.FIRST_FRAME not in marks:
        return None
    return marks[Mark.FIRST_FRAME] - marks[Mark.SPEECH_END]


class Turn(msgspec.Struct):
    """One exchange: what the caller said and what the agent answered. The greeting has no caller text."""

    index: int
    started_ms: float  # call time: the caller began (or the agent, in a greeting or re-prompt)
    ended_ms: float = 0.0
    caller_text: str = ""  # what was understood
    generated_text: str = ""  # what the model wrote
    heard_text: str = ""  # what the caller heard of it
    interrupted: bool = False
    marks: Marks = {}
    caller_started_ms: float | None = None
    caller_ended_ms: float | None = None
    agent_started_ms: float | None = None  # audible span of the answer in call time
    agent_ended_ms: float | None = None
    tools: list[dict[str, object]] = []  # name, arguments, result, seconds, speculative
    speculation: Ledger = Ledger()
    usage: Usage = {}
    cost_microusd: int | None = None  # millionths of a US dollar; None: not known
