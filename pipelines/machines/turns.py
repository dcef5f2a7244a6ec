"""Whose turn is it: boundaries of speech and progress of the reply in, commands out.

Two rules. Nothing is taken from the agent on one trigger: overlapping speech only pauses the playout,
and evidence decides between cancelling and resuming (see `overlap.py`). Nothing that the caller said is silently
dropped: words spoken over the agent become the next turn or are judged not to be one, on the record.

LISTENING (agent quiet, caller may speak) → CALLER (caller speaks) → THINKING (turn committed, nothing
audible yet) → SPEAKING (reply audible) → LISTENING; SPEAKING → OVERLAP (both) → SPEAKING or CALLER or
THINKING. A reply that nobody asked for (greeting, re-prompt, goodbye) can be overlapped before it is audible.
ENDED is final. Illegal inputs raise and change nothing. Time is an argument, in call time.
"""

from __future__ import annotations

from enum import Enum, auto

from config.schema import TurnPolicy
from pipelines.errors import IllegalTransition
from pipelines.machines.overlap import (
    LEAST_MS,
    NO_EVIDENCE,
    NOTHING_ASKED,
    Asked,
    Evidence,
    Overlap,
    Play,
    Step,
    Verdict,
)
from pipelines.machines.words import word_lists
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
    PAUSE_PLAYOUT = auto()  # what was sent is still heard
    HUSH_PLAYOUT = auto()  # nothing of it is
    RESUME_PLAYOUT = auto()
    CANCEL_REPLY = auto()  # stop generating, clear what was sent, truncate the history


TAIL_MS = 250.0  # our own voice comes back this long after it was heard out, at most

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

    __slots__ = (
        "_lists",
        "_overlap",
        "_policy",
        "_unasked",
        "expect",
        "floor",
        "protected",
        "verdict",
    )

    def __init__(self, policy: TurnPolicy, language: str = "en") -> None:
        self._policy = policy
        self._lists = word_lists(language)
        self.floor = Floor.LISTENING
        self.expect = Expect.ANYTHING
        self.protected = False  # the running reply may not be interrupted
        self.verdict: Verdict | None = None  # of the newest overlap
        self._unasked = False  # the reply is the agent's own initiative
        self._overlap: Overlap | None = None  # also after the agent was heard out meanwhile

    def _go(self, floor: Floor) -> None:
        if floor is self.floor:
            return
        if floor is not Floor.ENDED and floor not in _LEGAL[self.floor]:
            raise IllegalTransition(f"turn machine: {self.floor.name} → {floor.name}")
        self.floor = floor

    # --- the caller ---------------------------------------------------------------------------------

    def speech_started(self, asked: Asked = NOTHING_ASKED) -> list[Command]:
        if self.floor is Floor.LISTENING:
            self._overlap = None
            self._go(Floor.CALLER)
            return [Command.BEGIN_UTTERANCE]
        if self.floor is Floor.THINKING and not self._unasked:
            # Nothing was audible yet: the caller simply goes on, the reply was premature.
            self._overlap = None
            self._go(Floor.CALLER)
            return [Command.CANCEL_REPLY, Command.RESUME_UTTERANCE]
        if self.floor in (Floor.SPEAKING, Floor.THINKING):
            pauses = self.floor is Floor.SPEAKING and not self._deaf()
            self._go(Floor.OVERLAP)
            play = Play.PAUSED if pauses else Play.ON
            self._overlap = Overlap(self._policy, self._lists, play, asked, self.expect)
            return [Command.PAUSE_PLAYOUT, Command.BEGIN_UTTERANCE] if pauses else [Command.BEGIN_UTTERANCE]
        self.speech_resumed()  # before the words in front of it were judged
        return []

    def speech_continues(self, evidence: Evidence) -> list[Command]:
        """With every frame of an overlap, its pauses included."""
        if self.floor is not Floor.OVERLAP or self._deaf():
            return []
        assert self._overlap is not None
        step = self._overlap.judge(evidence)
        if step is Step.GIVE_WAY:
            return self._give_way(Floor.CALLER)
        if step is Step.KEEP:
            return self._keep(self._overlap.reason)
        if step is Step.HUSH:
            return [Command.HUSH_PLAYOUT]
        return [Command.RESUME_PLAYOUT] if step is Step.PLAY_ON else []

    def speech_understood(self, text: str) -> None:
        """The text of a pause. What follows from it, the next frame tells."""
        if self._overlap is not None:
            self._overlap.understood(text)

    def speech_resumed(self) -> None:
        """The pause is over."""
        if self._overlap is not None:
            self._overlap.resumed()

    def turn_ended(self, text: str, evidence: Evidence = NO_EVIDENCE) -> list[Command]:
        """The wait is over. `text` may be empty: recognition may still run, or nothing was said."""
        overlap, self._overlap = self._overlap, None
        if self.floor is Floor.CALLER:
            if overlap is not None and evidence.strong_ms < LEAST_MS and evidence.after_ms < TAIL_MS:
                self.verdict = Verdict(False, evidence.reason or "noise")
                self._go(Floor.LISTENING)
                return [Command.DROP_UTTERANCE]
            self._go(Floor.THINKING)
            self._unasked = False
            return [Command.COMMIT_TURN]
        if self.floor is not Floor.OVERLAP:
            return []
        assert overlap is not None
        if self._deaf():
            return self._keep("protected")
        if overlap.final(text, evidence) is Step.KEEP:
            return self._keep(overlap.reason)
        # Short but real words, like a "yes" into the end of a question: they are the caller's turn.
        self._overlap = overlap
        commands = self._give_way(Floor.THINKING)
        self._unasked = False
        return [*commands, Command.COMMIT_TURN]

    def _give_way(self, floor: Floor) -> list[Command]:
        overlap, self._overlap = self._overlap, None
        assert overlap is not None
        self.verdict = Verdict(True, overlap.reason)
        self._go(floor)
        return [Command.CANCEL_REPLY]

    def _keep(self, reason: str) -> list[Command]:
        self._overlap = None
        self.verdict = Verdict(False, reason)
        self._go(Floor.SPEAKING)
        return [Command.DROP_UTTERANCE] if self._deaf() else [Command.DROP_UTTERANCE, Command.RESUME_PLAYOUT]

    def _deaf(self) -> bool:
        return self.protected or not self._policy.barge_in

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
            # The agent had finished: what was an overlap is now the caller's turn, if it was his voice at all.
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
