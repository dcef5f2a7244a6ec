"""How somebody feels about what he says: a score of -1…1 for a sentence, and for many.

Words have weights; a negator within three words before one turns it round and weakens it, an intensifier right before
it multiplies it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipelines.brain.tokens import tokens
from voicecore.services.analysis.words import Language, sentences, spoken

LONGEST = 3  # words of an entry
REACH = 3  # words from a negator to what it turns round
TURNED = -0.7
SENTENCE_SOFTNESS, TEXT_SOFTNESS = 8.0, 2.0  # how much is needed for a clear judgement


def sentence_score(words: tuple[str, ...], language: Language) -> float:
    """0: nothing in it says how he feels."""
    total, index, known = 0.0, 0, 0  # the words before `known` are part of an entry and turn nothing round
    while index < len(words):
        for length in range(min(LONGEST, len(words) - index), 0, -1):
            weight = language.moods.get(words[index : index + length])
            if weight is not None:
                before = words[max(known, index - REACH) : index]
                turned = TURNED if any(word in language.negators for word in before) else 1.0
                total += weight * turned * _intensified(words, index, language)
                index = known = index + length
                break
        else:
            index += 1
    return _soft(total, SENTENCE_SOFTNESS)


def score(sentence_scores: Sequence[float]) -> float:
    """Of everything that somebody said, in order: the last third counts more, for it says how he left."""
    late = len(sentence_scores) * 2 / 3
    total = sum(one * (1.5 if index >= late else 1.0) for index, one in enumerate(sentence_scores))
    return round(_soft(total, TEXT_SOFTNESS), 3)


def text_score(text: str, language: str = "en") -> float:
    """Of any text, such as a message; `language` is for texts that do not show theirs."""
    known = spoken([text], language)
    return score([sentence_score(tokens(sentence), known) for sentence in sentences(text)])


def _intensified(words: tuple[str, ...], index: int, language: Language) -> float:
    for length in (2, 1):
        if index >= length and (factor := language.intensifiers.get(words[index - length : index])) is not None:
            return factor
    return 1.0


def _soft(total: float, softness: float) -> float:
    return total / math.sqrt(total * total + softness)
