"""Somebody is heard while the agent speaks: is that meant for the agent? Judged again with every frame.

Two rules. Silence comes first, the verdict later: a voice that may be the caller's is given room within 300 ms, and
what it says decides. Nothing counts but evidence: sounds that are too soft, not voiced or our own echo have no weight,
however long they last, nor do words that such a sound was taken for. It knows no audio; time is an argument.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from config.schema import TurnPolicy
from pipelines.machines.words import WordLists, made_of, words_of
from pipelines.stages import Expect

YIELD_MS = 100.0  # of a voice that is meant for us: be silent
LEAST_MS = 60.0  # less of it than this was none: a vowel is longer
DOUBT_MS = 220.0  # a sound that has not become such a voice by then is talked over again
RESUME_AFTER_MS = 300.0  # of silence after a backchannel or a noise: what is said then is something else
PHRASE_MS = 200.0  # two words take at least so long
DURATION_FACTOR = 3.0  # without any words, a voice has to last this much longer
NEARLY_OVER_MS = 700.0  # who says "yes" so little before the end of a question has understood it


class Evidence(msgspec.Struct, frozen=True):
    """What is known about the sound so far. Milliseconds."""

    speech_ms: float = 0.0  # span of what was taken for speech
    strong_ms: float = 0.0  # of it, voiced and as loud as the caller is when he speaks to us
    silence_ms: float = 0.0  # since
    text: str = ""  # newest hypothesis
    reason: str = ""  # why the rest is not strong
    after_ms: float = 0.0  # how long it went on after the agent was heard out


class Asked(msgspec.Struct, frozen=True):
    """What the agent is just saying."""

    question: bool = False  # its last sentence, and it asks
    rest_ms: float = 0.0  # until it is over


NO_EVIDENCE = Evidence()
NOTHING_ASKED = Asked()


class Verdict(msgspec.Struct, frozen=True):
    """What overlapping speech was judged to be, for the record."""

    barge_in: bool
    reason: str


class Play(Enum):
    """The agent's voice during the overlap."""

    ON = auto()
    PAUSED = auto()  # what was sent is still heard
    HUSHED = auto()


class Step(Enum):
    HUSH = auto()
    PLAY_ON = auto()
    GIVE_WAY = auto()
    KEEP = auto()  # the floor


class Overlap:
    """One overlap. `reason` explains the newest step that ended it."""

    def __init__(self, policy: TurnPolicy, lists: WordLists, play: Play, asked: Asked, expect: Expect) -> None:
        self._lists = lists
        self._barge_in_ms = float(policy.barge_in_ms)
        near = asked.rest_ms <= NEARLY_OVER_MS
        self._answering = asked.question and (expect is Expect.YES_NO or (near and expect is Expect.ANYTHING))
        self._understood: str | None = None  # text of the pause that lasts
        self.play = play
        self.reason = ""

    def judge(self, evidence: Evidence) -> Step | None:
        """With every frame; also in pauses."""
        if self._understood is not None:
            return self._pausing(self._understood, evidence)
        if self._convinces(evidence):
            return Step.GIVE_WAY
        if self.play is not Play.HUSHED and evidence.strong_ms >= YIELD_MS:
            self.play = Play.HUSHED
            return Step.HUSH
        if self.play is Play.PAUSED and evidence.speech_ms >= DOUBT_MS:
            self.play = Play.ON
            return Step.PLAY_ON
        return None

    def understood(self, text: str) -> None:
        """The caller paused, and this is the text of everything before."""
        self._understood = text

    def resumed(self) -> None:
        """The pause is over."""
        self._understood = None

    def final(self, text: str, evidence: Evidence) -> Step:
        """It is over: GIVE_WAY or KEEP."""
        words = words_of(text)
        if evidence.strong_ms < LEAST_MS:
            self.reason = evidence.reason or "noise"
        elif not words:
            self.reason = "no words"
        elif self._is_backchannel(words):
            self.reason = "backchannel"
        else:
            self.reason = "short answer" if made_of(words, self._lists.short_answer) else "words"
            return Step.GIVE_WAY
        return Step.KEEP

    def _pausing(self, text: str, evidence: Evidence) -> Step | None:
        step = self.final(text, evidence)
        if step is Step.GIVE_WAY or evidence.silence_ms >= RESUME_AFTER_MS:
            return step
        return None

    def _convinces(self, evidence: Evidence) -> bool:
        strong_ms, words = evidence.strong_ms, words_of(evidence.text)
        if strong_ms >= self._barge_in_ms * DURATION_FACTOR:
            self.reason = "duration"
            return True
        real = bool(words) and not self._is_backchannel(words)
        if real and strong_ms >= (PHRASE_MS if len(words) > 1 else self._barge_in_ms):
            self.reason = "words"
            return True
        return False

    def _is_backchannel(self, words: list[str]) -> bool:
        if self._answering and words[0] in self._lists.short_answer:
            return False
        return made_of(words, self._lists.backchannel | self._lists.hesitation)
