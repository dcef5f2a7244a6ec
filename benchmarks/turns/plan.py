"""From a labelled dialogue to a script for the simulator: the caller's audio cut into moves that react to the agent.

A recording stands still, an agent does not: when each move falls due is therefore told by what the agent of the
recording did (so long after its speech, so far into it), and the agent under test decides when that is.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from benchmarks.turns.dialogue import RATE_HZ, AgentSpeech, Dialogue, Overlap, Samples, Span, SpokenWord, Turn
from pipelines.audio import FRAME_MS
from pipelines.simulation.script import Clip, Cue, Kind, Move, Script
from pipelines.stages import Word

FRAME = RATE_HZ * FRAME_MS // 1000
LEAD_S, TAIL_S = 0.06, 0.24  # cut along with a move where nothing else is labelled: breath and room
ROOM_MARGIN_S = 0.3  # from labelled speech to what counts as room
LONGEST_ROOM_S = 10.0
LINE_NOISE_RMS = 16.0  # where a recording has no room of its own
AFTER_BARGE_IN_S = 3.0  # an answer that was barged into would have gone on for at least so long
# Where the labels do not say what the agent did:
REPLY_S = 2.5
GAP_S, INTO_REPLY_S = 0.6, 0.9
REPLY_TEXT = "All right, I have made a note of that. Is there anything else you would like to tell me about it?"

Labelled = Turn | Overlap


def plan(dialogue: Dialogue) -> Script:
    """The call that this dialogue asks for."""
    labels = dialogue.labels
    items: list[Labelled] = sorted([*labels.turns, *labels.overlaps], key=lambda item: item.start_s)
    moves = [_move(dialogue, items, index) for index in range(len(items))]
    first = labels.agent[0] if labels.agent and labels.agent[0].start_s < labels.turns[0].start_s else None
    return Script(
        name=dialogue.name,
        moves=tuple(moves),
        greeting=_greeting(first),
        language=labels.language,
        room=_room(dialogue, items),
    )


def _greeting(first: AgentSpeech | None) -> str:
    if first is None:
        return "Hello, how can I help you?"
    return first.text or "x" * max(1, round((first.end_s - first.start_s) * 1000 / 60))


def _move(dialogue: Dialogue, items: list[Labelled], index: int) -> Move:
    item = items[index]
    clip, lead_s = _clip(dialogue, items, index)
    cue, wait_s = _cue(dialogue.labels.agent, items, index)
    move = Move(
        kind=_kind(item, cue),
        clip=clip,
        cue=cue,
        wait_ms=max(0.0, (wait_s - lead_s) * 1000),
        text=item.text or "",
    )
    return _with_reply(move, dialogue, item) if isinstance(item, Turn) else move


def _kind(item: Labelled, cue: Cue) -> Kind:
    if isinstance(item, Overlap):
        return Kind(item.kind.value)
    return Kind.BARGE_IN if item.barge_in or cue is Cue.DURING_AGENT else Kind.TURN


def _with_reply(move: Move, dialogue: Dialogue, turn: Turn) -> Move:
    turns = dialogue.labels.turns
    after = next((t for t in turns if t.start_s >= turn.end_s and t is not turn), None)
    until = after.start_s if after is not None else math.inf
    spans = [a for a in dialogue.labels.agent if turn.end_s <= a.start_s < until]
    if not spans:
        return msgspec.structs.replace(move, reply=REPLY_TEXT, reply_ms=REPLY_S * 1000)
    length_s = spans[-1].end_s - spans[0].start_s
    if after is not None and (after.barge_in or after.start_s < spans[-1].end_s):
        length_s = max(length_s, after.start_s - spans[0].start_s + AFTER_BARGE_IN_S)
    text = " ".join(s.text for s in spans if s.text) or REPLY_TEXT
    return msgspec.structs.replace(move, reply=text, reply_ms=length_s * 1000, expect=spans[-1].ask)


def _cue(agent: tuple[AgentSpeech, ...], items: list[Labelled], index: int) -> tuple[Cue, float]:
    """What the item's beginning is counted from, and the seconds."""
    item = items[index]
    before = items[index - 1] if index else None
    spoken = [a for a in agent if a.start_s <= item.start_s]
    if spoken:
        last = spoken[-1]
        if item.start_s < last.end_s:
            return Cue.DURING_AGENT, item.start_s - last.start_s
        if before is not None and before.start_s >= last.end_s:
            return Cue.AFTER_MOVE, item.start_s - before.end_s
        return Cue.AFTER_AGENT, item.start_s - last.end_s
    if isinstance(item, Overlap) or item.barge_in:
        return Cue.DURING_AGENT, INTO_REPLY_S
    return Cue.AFTER_AGENT, GAP_S


# --- audio ----------------------------------------------------------------------------------------


def _clip(dialogue: Dialogue, items: list[Labelled], index: int) -> tuple[Clip, float]:
    """The item's audio in whole frames with a little room around it; seconds of room before its speech."""
    item, length_s = items[index], len(dialogue.audio) / RATE_HZ
    earliest = items[index - 1].end_s if index else 0.0
    latest = items[index + 1].start_s if index + 1 < len(items) else length_s
    start = math.ceil(max(earliest, item.start_s - LEAD_S) * RATE_HZ)
    frames = math.ceil((min(latest, item.end_s + TAIL_S) * RATE_HZ - start) / FRAME)
    audio = dialogue.audio[start : start + frames * FRAME]
    audio = np.concatenate([audio, np.zeros(frames * FRAME - len(audio), np.int16)])
    start_s = start / RATE_HZ
    spans = _speech(item)
    clip = Clip(
        pcm=audio.astype("<i2").tobytes(),
        speech=tuple(((s.start_s - start_s) * 1000, (s.end_s - start_s) * 1000) for s in spans),
        words=tuple(Word(w.text, (w.start_s - start_s) * 1000, (w.end_s - start_s) * 1000) for w in words_of(item)),
    )
    return clip, item.start_s - start_s


def words_of(item: Labelled) -> tuple[SpokenWord, ...]:
    """The labelled words, or the text spread evenly over the speech; none without a text."""
    if isinstance(item, Turn) and item.words:
        return item.words
    spans = _speech(item)
    written = (item.text or "").split()
    if not written:
        return ()
    share = sum(s.end_s - s.start_s for s in spans) / len(written)
    found, spoken = [], 0.0
    for text in written:
        found.append(SpokenWord(_plain(text), _at(spoken, spans), _at(spoken + share, spans)))
        spoken += share
    return tuple(found)


def _speech(item: Labelled) -> tuple[Span, ...]:
    return item.speech if isinstance(item, Turn) else (Span(item.start_s, item.end_s),)


def _plain(word: str) -> str:
    return word.strip('.,;:!?"()').lower()


def _at(spoken_s: float, spans: tuple[Span, ...]) -> float:
    for span in spans:
        length = span.end_s - span.start_s
        if spoken_s <= length + 1e-6:
            return span.start_s + spoken_s
        spoken_s -= length
    return spans[-1].end_s


def _room(dialogue: Dialogue, items: list[Labelled]) -> bytes:
    """What the line sounds like while nobody speaks: the unlabelled stretches, in whole frames."""
    ends = [0.0, *(item.end_s + ROOM_MARGIN_S for item in items)]
    starts = [*(item.start_s - ROOM_MARGIN_S for item in items), len(dialogue.audio) / RATE_HZ]
    pieces: list[Samples] = []
    for end, start in zip(ends, starts, strict=True):
        frames = int((start - end) * RATE_HZ) // FRAME
        first = int(end * RATE_HZ)
        piece = dialogue.audio[first : first + max(0, frames) * FRAME]
        pieces.append(piece[: len(piece) // FRAME * FRAME])
    room = np.concatenate(pieces)[: int(LONGEST_ROOM_S * RATE_HZ)]
    if not len(room):
        room = np.random.default_rng(1).normal(0, LINE_NOISE_RMS, RATE_HZ).astype(np.int16)
    return room.astype("<i2").tobytes()
