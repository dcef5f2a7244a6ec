"""How long to wait in a silence before the caller's turn counts as over.

One number, re-computed whenever something is learnt: what was said so far, what the agent had asked,
and how long this caller's own pauses are. It knows no audio and no clock.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from importlib import resources

import msgspec

from config.schema import TurnPolicy
from pipelines.stages import Expect

LONGEST_ENTRY = 3  # words in an entry of words.yaml
OWN_PAUSES = 8  # pauses remembered of this caller
OWN_PAUSE_MARGIN_MS = 180.0
# Factors on the base wait. From the shape of human turns: gaps between speakers have a mode of about 200 ms
# (Stivers et al. 2009), pauses inside a turn after an unfinished phrase last a second and more.
CLOSED = 0.5
COMPLETE = 0.75
OPEN = 2.0
HESITATING = 2.8
DIGITS = 1.9
UNKNOWN = 1.15  # nothing recognised yet: a little more time costs less than a cut-off


class WordLists(msgspec.Struct, frozen=True):
    """Per language: words that leave a sentence open, hesitations, closings, short answers, digits."""

    open: frozenset[str] = frozenset()
    hesitation: frozenset[str] = frozenset()
    closing: frozenset[str] = frozenset()
    short_answer: frozenset[str] = frozenset()
    backchannel: frozenset[str] = frozenset()
    digit: frozenset[str] = frozenset()


@cache
def word_lists(language: str) -> WordLists:
    """The lists for a language tag ("de-AT" falls back to "de"); empty lists for an unknown one."""
    data = resources.files("pipelines.machines").joinpath("words.yaml").read_bytes()
    return msgspec.yaml.decode(data, type=dict[str, WordLists]).get(language[:2].lower(), WordLists())


def words_of(text: str) -> list[str]:
    return [w for w in (part.strip(".,;:!?\"'()").lower() for part in text.split()) if w]


def ends_with(words: list[str], entries: frozenset[str]) -> bool:
    """Do the last words make an entry of the list? Entries have up to `LONGEST_ENTRY` words."""
    return any(" ".join(words[-count:]) in entries for count in range(1, min(LONGEST_ENTRY, len(words)) + 1))


def made_of(words: list[str], entries: frozenset[str]) -> bool:
    """Is there nothing but entries of the list in these words?"""
    reached = [True] + [False] * len(words)
    for end in range(1, len(words) + 1):
        starts = range(max(0, end - LONGEST_ENTRY), end)
        reached[end] = any(reached[start] and " ".join(words[start:end]) in entries for start in starts)
    return reached[-1]


class Patience:
    """The wait for the end of a turn, in milliseconds of silence since the last sample of speech."""

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._policy = policy
        self._lists = word_lists(language)
        self._own_pauses: deque[float] = deque(maxlen=OWN_PAUSES)
        self._expect = Expect.ANYTHING
        self._factor = UNKNOWN
        self._wait_ms = self._compute()

    def wait_ms(self) -> float:
        return self._wait_ms

    def expect(self, expect: Expect) -> None:
        """What the agent's last question asked for."""
        self._expect = expect
        self._wait_ms = self._compute()

    def new_turn(self) -> None:
        self._factor = UNKNOWN
        self._wait_ms = self._compute()

    def heard(self, text: str) -> None:
        """The newest hypothesis of the utterance so far."""
        self._factor = self._judge(words_of(text), text)
        self._wait_ms = self._compute()

    def paused_inside_turn(self, pause_ms: float) -> None:
        """The caller went on after a pause of this length: waits adapt to it."""
        self._own_pauses.append(pause_ms)
        self._factor = UNKNOWN
        self._wait_ms = self._compute()

    def _judge(self, words: list[str], text: str) -> float:
        if not words:
            return UNKNOWN
        last = words[-1]
        if ends_with(words, self._lists.hesitation):
            return HESITATING
        if self._expect is Expect.YES_NO and words[0] in self._lists.short_answer:
            return CLOSED if len(words) <= 4 else COMPLETE
        if self._expect is Expect.PHONE or (last in self._lists.digit and self._digits_running(words)):
            return DIGITS
        if ends_with(words, self._lists.closing):
            return CLOSED  # before the open ends: "thank you" ends in "you"
        if ends_with(words, self._lists.open) or text.rstrip().endswith((",", "-", "…")):
            return OPEN
        if text.rstrip().endswith((".", "!", "?")) or len(words) >= 3:
            return COMPLETE
        return 1.0

    def _digits_running(self, words: list[str]) -> bool:
        return len(words) >= 3 and all(w in self._lists.digit for w in words[-3:])

    def _compute(self) -> float:
        policy = self._policy
        wait = policy.base_wait_ms * self._factor
        if self._own_pauses:
            ordered = sorted(self._own_pauses)
            typical = ordered[int(0.8 * (len(ordered) - 1))]
            # A caller who pauses long is waited for; one short pause says little.
            weight = min(1.0, len(ordered) / 3)
            wait = max(wait, weight * (typical + OWN_PAUSE_MARGIN_MS) * min(self._factor, 1.0))
        return min(max(wait, policy.min_wait_ms), policy.max_wait_ms)
