"""Words for dialogues whose labels have no texts: the embedded recogniser hears each of them ahead of the calls.

Its worker processes live in real time and the calls do not, so its words are kept with their times and the oracle
speaks them. Only English, and only where the recogniser is installed; else the calls have no words at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec

from benchmarks.turns.dialogue import RATE_HZ, Dialogue, Overlap, Span, SpokenWord, Turn
from pipelines.errors import EngineMissing
from pipelines.registry import make
from pipelines.stages import Stt, SttOptions, SttSession

MARGIN_S = 0.2
TEXTS, RECOGNISED, NONE = "the labels' texts", "pocketsphinx", "none"


def with_words(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], str]:
    """The dialogues with words wherever they can be had, and where words that were missing came from."""
    if all(_has_text(dialogue) for dialogue in dialogues):
        return list(dialogues), TEXTS
    try:
        return asyncio.run(_recognise(dialogues)), RECOGNISED
    except EngineMissing:
        return list(dialogues), NONE


def _has_text(dialogue: Dialogue) -> bool:
    return all(turn.text is not None or turn.words for turn in dialogue.labels.turns)


async def _recognise(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    engine = cast(Stt, await make("stt", "pocketsphinx", {}, source="benchmark"))
    try:
        session = await engine.open(SttOptions(language="en", rate_hz=RATE_HZ))
        try:
            return [await _heard(session, dialogue) for dialogue in dialogues]
        finally:
            await session.close()
    finally:
        await engine.close()


async def _heard(session: SttSession, dialogue: Dialogue) -> Dialogue:
    labels = dialogue.labels
    if _has_text(dialogue) or not labels.language.startswith("en"):
        return dialogue
    turns = [await _turn(session, dialogue, turn) for turn in labels.turns]
    overlaps = [await _overlap(session, dialogue, overlap) for overlap in labels.overlaps]
    labels = msgspec.structs.replace(labels, turns=tuple(turns), overlaps=tuple(overlaps))
    return msgspec.structs.replace(dialogue, labels=labels)


async def _turn(session: SttSession, dialogue: Dialogue, turn: Turn) -> Turn:
    if turn.text is not None or turn.words:
        return turn
    words = await _words(session, dialogue, Span(turn.start_s, turn.end_s))
    return msgspec.structs.replace(turn, words=words, text=" ".join(w.text for w in words))


async def _overlap(session: SttSession, dialogue: Dialogue, overlap: Overlap) -> Overlap:
    if overlap.text is not None:
        return overlap
    words = await _words(session, dialogue, Span(overlap.start_s, overlap.end_s))
    return msgspec.structs.replace(overlap, text=" ".join(w.text for w in words))


async def _words(session: SttSession, dialogue: Dialogue, span: Span) -> tuple[SpokenWord, ...]:
    """As recognised, inside the span: the recogniser's own times may be off by a few frames."""
    start_s = max(0.0, span.start_s - MARGIN_S)
    audio = dialogue.audio[int(start_s * RATE_HZ) : int((span.end_s + MARGIN_S) * RATE_HZ)]
    session.begin()
    session.feed(audio.astype("<i2").tobytes())
    transcript = await session.flush()
    session.end()

    def inside(ms: float) -> float:
        return min(max(start_s + ms / 1000, span.start_s), span.end_s)

    return tuple(SpokenWord(w.text, inside(w.start_ms), inside(w.end_ms)) for w in transcript.words)
