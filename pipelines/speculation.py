"""Answers begun at a pause of the caller, before his turn is certain: at most one at a time.

It starts them, throws them away when he goes on, hands them over when the turn is committed, and keeps the ledger.
It decides nothing about turns.
"""

from __future__ import annotations

from config.schema import TurnPolicy
from pipelines.machines.speculation import Ledger, Speculation
from pipelines.machines.words import words_of
from pipelines.minutes import Minutes
from pipelines.responder import Draft, Responder
from pipelines.speaker import Speaker
from pipelines.timing import Mark, Turn

LEAD_MS = 1000.0  # an answer is audible within this in all but the slowest cases: begun sooner it gains nothing more


class Speculator:
    """One call's. `begin` … `discard`, or `begin` … `take` … and the answer is heard (or discarded even then)."""

    def __init__(self, policy: TurnPolicy, responder: Responder, speaker: Speaker, minutes: Minutes) -> None:
        self._policy = Speculation(policy)
        self._responder = responder
        self._speaker = speaker
        self._minutes = minutes
        self._draft: tuple[Turn, Draft] | None = None  # not settled yet
        self._text = ""  # that waits for its time
        self._due_ms = 0.0

    def begin(self, text: str, ends_ms: float) -> None:
        """The caller paused after this text. `ends_ms`: then his turn is over if he stays silent; when that is long,
        as after half a sentence, there is time to see whether he goes on."""
        self._text, self._due_ms = text, ends_ms - LEAD_MS
        self.watch(self._minutes.now())

    def watch(self, now_ms: float) -> None:
        """To be called now and then while the caller pauses."""
        turn = self._minutes.utterance
        if not self._text or now_ms < self._due_ms or turn is None:
            return
        text, self._text = self._text, ""
        if self._policy.start(turn.index, text):
            self._draft = turn, self._responder.draft(turn, text, self._heard)

    def take(self, turn: Turn, text: str) -> Draft | None:
        """The turn is committed with this text: the answer that was begun for it; None when there is none."""
        self._text = ""
        if self._draft is None:
            return None
        begun_for, draft = self._draft
        if begun_for is turn and draft.failed is None and words_of(draft.text) == words_of(text):
            return draft
        self.discard()
        if draft.failed is not None:  # nobody was told; the answer is sought anew
            self._minutes.failed(draft.failed)
        return None

    def discard(self) -> None:
        """The caller goes on, or the call does not: what was begun and not heard is thrown away."""
        self._text = ""
        if self._draft is None:
            return
        _, draft = self._draft
        self._minutes.meter.discarded()
        self._settle(Ledger(misses=1, tokens_wasted=draft.tokens, characters_wasted=draft.reply.characters))
        if not draft.committed.is_set():  # else it is a reply like any other, and stopped like it
            draft.written.cancel()
            self._speaker.retract(draft.reply)

    def _heard(self) -> None:
        """Its first sound went out: what of the waiting was over when the turn was committed is saved."""
        if self._draft is None:
            return
        turn, draft = self._draft
        if draft.failed is not None:  # what is heard is an apology
            self.discard()
            return
        begun_ms, ready_ms = draft.started_ms, turn.marks[Mark.FIRST_AUDIO]
        self._settle(Ledger(hits=1, saved_ms=round(min(turn.marks[Mark.ENDPOINT], ready_ms) - begun_ms, 1)))

    def _settle(self, outcome: Ledger) -> None:
        assert self._draft is not None
        turn, _ = self._draft
        self._draft = None
        turn.speculation += outcome
        self._policy.settle(outcome)
