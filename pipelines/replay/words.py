"""What the caller said when, pieced together from everything the recogniser ever answered.

For a span of audio that was never asked about, these words stand in for an answer: an approximation, for a real
recogniser might understand half a sentence differently than as the half of what it understood of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from pipelines.replay.stored import Utterance

PREROLL_MS = 300.0  # audio before the beginning of an utterance that belongs to it, see `pipelines/ear.py`
SILENCE_MS = 120.0  # before a flush: it comes with a pause


class SaidWord(msgspec.Struct, frozen=True):
    text: str
    at_ms: float  # its middle, in call time


def timeline(utterances: Sequence[Utterance]) -> list[SaidWord]:
    """Every word once, in order."""
    return [word for utterance in utterances for word in _words(utterance)]


def between(words: Sequence[SaidWord], from_ms: float, until_ms: float) -> str:
    return " ".join(word.text for word in words if from_ms < word.at_ms <= until_ms)


def _words(utterance: Utterance) -> list[SaidWord]:
    answers = [flush for flush in utterance.flushes if not flush.cut and not flush.error]
    if not answers:
        if not utterance.partials:
            return []
        last = utterance.partials[-1]
        return _spread(last.text.split(), [(0, utterance.began_ms - PREROLL_MS / 3), (-1, last.heard_ms)])
    final = answers[-1]
    written = final.text.split()
    if len(final.words) == len(written):  # timed by the recogniser from its first sample on
        first_ms = utterance.began_ms - PREROLL_MS
        ends_ms = final.heard_ms
        return [SaidWord(t, min(first_ms + (a + b) / 2, ends_ms)) for t, a, b in final.words]
    knots = [(0, utterance.began_ms - PREROLL_MS / 3)]
    for flush in answers[:-1]:
        known = len(flush.text.split())
        if knots[-1][0] < known < len(written):  # these were said before that pause, the others after it
            knots.append((known, flush.heard_ms - SILENCE_MS))
    return _spread(written, [*knots, (-1, final.heard_ms - SILENCE_MS)])


def _spread(words: list[str], knots: list[tuple[int, float]]) -> list[SaidWord]:
    """Between two knots (number of words said by then, when) every word takes its share of the characters."""
    knots = [(len(words) if count < 0 else count, at_ms) for count, at_ms in knots]
    said: list[SaidWord] = []
    for (first, start_ms), (last, end_ms) in pairwise(knots):
        part = words[first:last]
        each_ms = max(end_ms - start_ms, 0.0) / max(1, sum(len(word) + 1 for word in part))
        at_ms = start_ms
        for word in part:
            length_ms = (len(word) + 1) * each_ms
            said.append(SaidWord(word, at_ms + length_ms / 2))
            at_ms += length_ms
    return said
