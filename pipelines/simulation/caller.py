"""A simulated caller: goes through a script, listens to the agent and speaks when a person would.

Asked for one frame after the other. It reacts to what is heard of the agent, never to what the agent plans.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pipelines.audio import FRAME_MS, Codec, from_pcm16, to_pcm16
from pipelines.simulation.engines import Answer, OracleStt
from pipelines.simulation.phone import Phone
from pipelines.simulation.script import BYSTANDERS, FRAME_BYTES, TURNS, Clip, Cue, Kind, Move, Script
from pipelines.stages import Word

SURPRISED_MS = 1200.0  # a reply that broke off without being asked to: the caller waits whether it goes on
LATE_BARGE_IN_MS = 300.0  # a barge-in for which the agent was finished too soon is said after this pause


class Frames(msgspec.Struct, frozen=True):
    """Audio cut into frames, as sent and as a recogniser is fed with it."""

    sent: tuple[bytes, ...]
    heard: tuple[bytes, ...]


def frames_of(pcm: bytes) -> Frames:
    ulaw = from_pcm16(pcm, Codec.ULAW)
    size = FRAME_BYTES // 2
    sent = tuple(ulaw[at : at + size] for at in range(0, len(ulaw) - size + 1, size))
    return Frames(sent, tuple(to_pcm16(frame, Codec.ULAW) for frame in sent))


class Done(msgspec.Struct, frozen=True):
    """A move as it happened. Times in call time; `speech` as labelled, `dropped` when its moment never came."""

    index: int
    move: Move
    at_ms: float
    dropped: bool = False

    @property
    def speech(self) -> tuple[tuple[float, float], ...]:
        return tuple((self.at_ms + start, self.at_ms + end) for start, end in self.move.clip.speech)

    @property
    def start_ms(self) -> float:
        """First sample of speech."""
        return self.speech[0][0] if self.move.clip.speech else self.at_ms

    @property
    def end_ms(self) -> float:
        """Last sample of speech."""
        return self.speech[-1][1] if self.move.clip.speech else self.at_ms


class Caller:
    """One caller in one call."""

    def __init__(self, script: Script, phone: Phone, oracle: OracleStt, cut: Callable[[Clip], Frames]) -> None:
        self._script = script
        self._phone = phone
        self._oracle = oracle
        self._cut = cut
        self._room = frames_of(script.room).sent if script.room else ()
        self._next = 0
        self._clip: Frames = Frames((), ())
        self._at = 0  # frame of the clip that is next
        self._quiet_since_ms = 0.0  # the caller's previous move ended
        self._replies_at_turn = 0  # replies that were over when the caller's last turn ended
        self._turn_ended_ms = 0.0
        self.done: list[Done] = []
        self.finished = False
        self.key: str = ""  # pressed with the newest frame

    def answer(self) -> Answer:
        """What the model is to say now: the answer to the newest turn that was begun."""
        turns = [done.move for done in self.done if done.move.kind in TURNS and not done.dropped]
        return Answer(turns[-1].reply, turns[-1].expect) if turns else Answer("Sorry, I did not get that.")

    def reply_ms(self, chunk: str) -> float:
        """How long this part of an answer takes to say, when the script says so for the whole; else 0."""
        for done in reversed(self.done):
            if done.move.reply_ms and chunk in done.move.reply:
                return done.move.reply_ms * len(chunk) / len(done.move.reply)
        return 0.0

    def frame(self, number: int) -> bytes:
        """The audio of frame `number` of the call, µ-law."""
        now = number * float(FRAME_MS)
        self.key = ""
        if self._at >= len(self._clip.sent):
            self._look_ahead(now, number)
        if self._at < len(self._clip.sent):
            audio = self._clip.sent[self._at]
            self._oracle.place(self._clip.heard[self._at], number)
            self._at += 1
            if self._at == len(self._clip.sent):
                self._move_over(now + FRAME_MS)
            return audio
        return self._room[number % len(self._room)] if self._room else _SILENCE

    # --- what comes next ----------------------------------------------------------------------------

    def _look_ahead(self, now: float, number: int) -> None:
        while self._next < len(self._script.moves):
            move = self._script.moves[self._next]
            if self._too_late(move, now):
                self.done.append(Done(self._next, move, now, dropped=True))
                self._next += 1
                continue
            if self._due(move, now):
                self._begin(move, now, number)
            return
        if self._answered(now, wait_ms=SURPRISED_MS):
            self.finished = True

    def _too_late(self, move: Move, now: float) -> bool:
        """Something to be said over the agent's speech, which is over already or never came."""
        if move.cue is not Cue.DURING_AGENT or move.kind not in BYSTANDERS:
            return False
        return self._answered(now, wait_ms=0.0)

    def _due(self, move: Move, now: float) -> bool:
        if move.cue is Cue.AFTER_MOVE:
            return now - self._quiet_since_ms >= move.wait_ms
        if move.cue is Cue.DURING_AGENT:
            began = self._phone.reply_began_ms
            if began is not None and began > self._turn_ended_ms - FRAME_MS and self._phone.speaking:
                return now - began >= move.wait_ms
            return move.kind not in BYSTANDERS and self._answered(now, LATE_BARGE_IN_MS)
        return self._answered(now, move.wait_ms)

    def _answered(self, now: float, wait_ms: float) -> bool:
        """The agent has spoken since the caller's last turn, and has been silent for so long; or it never will."""
        phone = self._phone
        if phone.speaking or phone.reply_running:
            return False
        if phone.replies > self._replies_at_turn:
            wait_ms = max(wait_ms, SURPRISED_MS) if phone.cut_off else wait_ms
            return now - max(phone.ends_ms, self._quiet_since_ms) >= wait_ms
        return now - self._turn_ended_ms >= self._script.patience_ms

    # --- doing it -----------------------------------------------------------------------------------

    def _begin(self, move: Move, now: float, number: int) -> None:
        self.done.append(Done(self._next, move, now))
        self._next += 1
        if move.kind is Kind.HANG_UP:
            self._next, self.finished = len(self._script.moves), True
        elif move.kind is Kind.KEY:
            self.key = move.digit
            self._move_over(now)
        else:
            self._clip, self._at = self._cut(move.clip), 0
            self._oracle.say([Word(w.text, w.start_ms + now, w.end_ms + now) for w in move.clip.words])

    def _move_over(self, now: float) -> None:
        self._quiet_since_ms = now
        if self.done[-1].move.kind in (*TURNS, Kind.KEY):
            self._turn_ended_ms = self.done[-1].end_ms
            self._replies_at_turn = self._phone.replies + self._phone.reply_running


_SILENCE = from_pcm16(b"\x00" * FRAME_BYTES, Codec.ULAW)
