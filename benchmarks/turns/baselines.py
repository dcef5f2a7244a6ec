"""Two policies to compare with, on the same audio and the same voice detector: silence alone, and a two-way switch.

They wait for a silence of the detector's and know nothing else; the switch also knows the words, and the word
lists that our own policy has. They share no code with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import cast

import msgspec

from benchmarks.turns.endpointing import NEVER_S, Ends, ends
from config.schema import StageSettings
from pipelines.audio import FRAME_MS
from pipelines.registry import make
from pipelines.simulation.script import FRAME_BYTES, RATE_HZ, Move, Script
from pipelines.stages import Vad, VadStream

FRAME_S = FRAME_MS / 1000
STARTS_AFTER = 3  # frames of speech that end a silence: fewer are a click
SILENCES_S = tuple(round(0.1 + 0.05 * step, 2) for step in range(60))
SHORT_WAITS_S = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
LONG_WAITS_S = (1.0, 1.5, 2.0, 2.5, 3.0)
SWITCH_S = (0.3, 2.5)
SENTENCE_WORDS = 3
LATE_WORD_S = 0.1  # a word may end so long after the detector heard silence


class Silences(msgspec.Struct, frozen=True):
    """A call's turns one after the other, and where the detector heard silence, in seconds."""

    turns: tuple[tuple[float, Move], ...]  # (begins, what was said)
    gaps: tuple[tuple[float, float], ...]
    complete: tuple[bool, ...]  # by gap: the words until there make a sentence
    length_s: float
    dialogue: str
    condition: str
    language: str


def detector(settings: StageSettings) -> Vad:
    """The same as our own policy has."""
    return cast(Vad, asyncio.run(make("vad", settings.provider, settings.options, source="benchmark")))


@cache
def open_ends(language: str) -> frozenset[str]:
    data = files("benchmarks.turns").joinpath("data/open_ends.yaml").read_bytes()
    return frozenset(msgspec.yaml.decode(data, type=dict[str, str]).get(language[:2], "").split())


def silences(script: Script, condition: str, vad: Vad) -> Silences:
    """`script` as `endpointing.patient` makes it."""
    pcm, turns = _line(script)
    gaps = tuple(_gaps(pcm, vad.open(RATE_HZ)))
    complete = tuple(_complete(turns, start, open_ends(script.language)) for start, _ in gaps)
    return Silences(tuple(turns), gaps, complete, len(pcm) / RATE_HZ / 2, script.name, condition, script.language)


def _line(script: Script) -> tuple[bytes, list[tuple[float, Move]]]:
    """Every turn with room before it and so much after it that every policy has decided."""
    room = script.room * (int(NEVER_S * RATE_HZ * 2) // len(script.room) + 1)
    pcm, turns = room[: RATE_HZ * 2], []
    for move in script.moves:
        turns.append((len(pcm) / RATE_HZ / 2, move))
        pcm += move.clip.pcm + room[: int(NEVER_S * RATE_HZ) * 2]
    return pcm, turns


def _gaps(pcm: bytes, vad: VadStream) -> Iterator[tuple[float, float]]:
    ended: int | None = None  # frame after the last one of speech
    run, count = 0, len(pcm) // FRAME_BYTES
    for number in range(count):
        speech = vad.feed(pcm[number * FRAME_BYTES : (number + 1) * FRAME_BYTES])
        run = run + 1 if speech else 0
        began = number - STARTS_AFTER + 1
        if run == STARTS_AFTER and ended is not None and ended < began:
            yield ended * FRAME_S, began * FRAME_S
        if run >= STARTS_AFTER:
            ended = number + 1
    if ended is not None:
        yield ended * FRAME_S, count * FRAME_S


def _complete(turns: Sequence[tuple[float, Move]], at: float, leaves_open: frozenset[str]) -> bool:
    begun = [(start, move) for start, move in turns if start < at]
    if not begun:
        return False
    start, move = begun[-1]
    words = [word.text for word in move.clip.words if start + word.end_ms / 1000 <= at + LATE_WORD_S]
    return len(words) >= SENTENCE_WORDS and words[-1] not in leaves_open


def fixed(found: Sequence[Silences]) -> dict[str, list[Ends]]:
    """So much silence ends a turn, whatever was said: every setting."""
    return {f"{wait * 1000:.0f} ms": [e for s in found for e in judged(s, wait, wait)] for wait in SILENCES_S}


def switch(found: Sequence[Silences]) -> dict[str, list[Ends]]:
    """The short wait after a complete sentence, the long one otherwise: every setting."""
    pairs = [(short, long) for short in SHORT_WAITS_S for long in LONG_WAITS_S]
    return {switched(*pair): [e for s in found for e in judged(s, *pair)] for pair in pairs}


def switched(short_s: float, long_s: float) -> str:
    return f"{short_s * 1000:.0f} or {long_s * 1000:.0f} ms"


def judged(found: Silences, short_s: float, long_s: float) -> list[Ends]:
    decisions = []
    for (start, end), complete in zip(found.gaps, found.complete, strict=True):
        wait = short_s if complete else long_s
        if end - start >= wait:
            decisions.append(start + wait)
    nexts = [*(start for start, _ in found.turns[1:]), found.length_s]
    of = (found.dialogue, found.condition, found.language)
    return [ends(move, start, decisions, until, of) for (start, move), until in zip(found.turns, nexts, strict=True)]
