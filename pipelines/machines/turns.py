"""Whose turn is it: boundaries of speech and progress of the reply in, commands out.

Two rules. Nothing is taken from the agent on one trigger: overlapping speech only pauses the playout,
and evidence (duration, words) decides between cancelling and resuming. Nothing the caller said is ever
dropped: words spoken over the agent become the next turn or are judged a backchannel, on the record.

LISTENING (agent quiet, caller may speak) → CALLER (caller speaks) → THINKING (turn committed, nothing
audible yet) → SPEAKING (reply audible) → LISTENING; SPEAKING → OVERLAP (both) → SPEAKING or CALLER or
THINKING. A reply that nobody asked for (greeting, re-prompt, goodbye) can be overlapped before it is audible.
ENDED is final. Illegal inputs raise and change nothing. Time is an argument, in call time.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from config.schema import TurnPolicy
from pipelines.errors import IllegalTransition
from pipelines.machines.patience import made_of, word_lists, words_of
from pipelines.stages import Expect


class Floor(Enum):
    """Who holds the floor."""

    LISTENING = auto()
    CALLER = auto()
    THINKING = auto()
    SPEAKING = auto()
    OVERLAP = auto()
    ENDED = auto()


class Command(Enum):
    """What the driver is to do, in the order given."""

    BEGIN_UTTERANCE = auto()  # a fresh utterance: start recognising
    RESUME_UTTERANCE = auto()  # the caller goes on with the committed turn: keep its words
    DROP_UTTERANCE = auto()  # it was nothing: forget its audio
    COMMIT_TURN = auto()  # the utterance is the caller's turn: answer it
    PAUSE_PLAYOUT = auto()
    RESUME_PLAYOUT = auto()
    CANCEL_REPLY = auto()  # stop generating, clear what was sent, truncate the history


class Verdict(msgspec.Struct, frozen=True):
    """What overlapping speech was judged to be, for the record."""

    barge_in: bool
    reason: str


_LEGAL: dict[Floor, frozenset[Floor]] = {
    Floor.LISTENING: frozenset({Floor.CALLER, Floor.THINKING, Floor.SPEAKING}),
    Floor.CALLER: frozenset({Floor.THINKING, Floor.LISTENING}),
    Floor.THINKING: frozenset({Floor.SPEAKING, Floor.LISTENING, Floor.CALLER, Floor.OVERLAP}),
    Floor.SPEAKING: frozenset({Floor.LISTENING, Floor.OVERLAP, Floor.CALLER, Floor.THINKING}),
    Floor.OVERLAP: frozenset({Floor.SPEAKING, Floor.CALLER, Floor.THINKING, Floor.LISTENING}),
    Floor.ENDED: frozenset(),
}


class TurnMachine:
    """One call's floor. Every method answers with commands to carry out in order."""

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._policy = policy
        self._lists = word_lists(language)
        self.floor = Floor.LISTENING
        self.expect = Expect.ANYTHING
        self.protected = False  # the running reply may not be interrupted
        self.verdict: Verdict | None = None  # of the newest overlap
        self._unasked = False  # the reply is the agent's own initiative

    def _go(self, floor: Floor) -> None:
        if floor is self.floor:
            return
        if floor is not Floor.ENDED and floor not in _LEGAL[self.floor]:
            raise IllegalTransition(f"turn machine: {self.floor.name} → {floor.name}")
        self.floor = floor

    # --- the caller ---------------------------------------------------------------------------------

    def speech_started(self) -> list[Command]:
        if self.floor is Floor.LISTENING:
            self._go(Floor.CALLER)
            return [Command.BEGIN_UTTERANCE]
        if self.floor is Floor.THINKING and not self._unasked:
            # Nothing was audible yet: the caller simply goes on, the reply was premature.
            self._go(Floor.CALLER)
            return [Command.CANCEL_REPLY, Command.RESUME_UTTERANCE]
        if self.floor in (Floor.SPEAKING, Floor.THINKING):
            audible = self.floor is Floor.SPEAKING
            self._go(Floor.OVERLAP)
            if self._deaf() or not audible:
                return [Command.BEGIN_UTTERANCE]
            return [Command.PAUSE_PLAYOUT, Command.BEGIN_UTTERANCE]
        return []

    def speech_continues(self, speech_ms: float, text: str) -> list[Command]:
        """Evidence during an overlap: span of the caller's speech and the newest hypothesis."""
        if self.floor is not Floor.OVERLAP or self._deaf():
            return []
        words = words_of(text)
        enough_words = len(words) >= 2 and not self._is_backchannel(words)
        if speech_ms < self._policy.barge_in_ms and not enough_words:
            return []
        if words and self._is_backchannel(words) and speech_ms < 2 * self._policy.barge_in_ms:
            return []
        self.verdict = Verdict(True, "words" if enough_words else "duration")
        self._go(Floor.CALLER)
        return [Command.CANCEL_REPLY]

    def turn_ended(self, text: str) -> list[Command]:
        """The wait is over. `text` may be empty: recognition may still run, or nothing was said."""
        if self.floor is Floor.CALLER:
            self._go(Floor.THINKING)
            self._unasked = False
            return [Command.COMMIT_TURN]
        if self.floor is Floor.OVERLAP:
            return self._judge_overlap(words_of(text))
        return []

    def _judge_overlap(self, words: list[str]) -> list[Command]:
        resume = [] if self._deaf() else [Command.RESUME_PLAYOUT]
        if not words or self._deaf() or self._is_backchannel(words):
            reason = "protected" if self._deaf() else "backchannel" if words else "no words"
            self.verdict = Verdict(False, reason)
            self._go(Floor.SPEAKING)
            return [Command.DROP_UTTERANCE, *resume]
        # Short but real words, like a "yes" into the end of a question: they are the caller's turn.
        self.verdict = Verdict(True, "short answer")
        self._go(Floor.THINKING)
        self._unasked = False
        return [Command.CANCEL_REPLY, Command.COMMIT_TURN]

    def _deaf(self) -> bool:
        return self.protected or not self._policy.barge_in

    def _is_backchannel(self, words: list[str]) -> bool:
        if self.expect is Expect.YES_NO and words[0] in self._lists.short_answer:
            return False
        return made_of(words, self._lists.backchannel | self._lists.hesitation)

    # --- the agent ----------------------------------------------------------------------------------

    def reply_pending(self) -> list[Command]:
        """The agent takes the floor of its own accord (greeting, re-prompt, goodbye)."""
        if self.floor is not Floor.ENDED:
            self._go(Floor.THINKING)
            self._unasked = True
        return []

    def reply_audible(self) -> list[Command]:
        if self.floor is Floor.THINKING:
            self._go(Floor.SPEAKING)
        return []

    def reply_over(self) -> list[Command]:
        """Everything was heard, or there was nothing to say."""
        if self.floor in (Floor.THINKING, Floor.SPEAKING):
            self._go(Floor.LISTENING)
        elif self.floor is Floor.OVERLAP:
            # The agent had finished: what was an overlap is now simply the caller's turn.
            self.verdict = None
            self._go(Floor.CALLER)
        return []

    def nothing_said(self) -> list[Command]:
        """A committed turn turned out to be empty, or a started utterance noise."""
        if self.floor in (Floor.THINKING, Floor.CALLER):
            self._go(Floor.LISTENING)
        return []

    def interrupt(self) -> list[Command]:
        """A key was pressed: takes the floor at once."""
        if self.floor in (Floor.SPEAKING, Floor.OVERLAP) and not self.protected:
            self._go(Floor.LISTENING)
            self.verdict = Verdict(True, "key")
            return [Command.CANCEL_REPLY]
        return []

    def end(self) -> None:
        self.floor = Floor.ENDED
