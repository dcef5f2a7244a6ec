"""The caller of a stored call as somebody who listens: he speaks when he spoke, measured by what he hears.

Between what he says there is silence, and it gives: who waited for the end of an answer waits for the end of the
new one, who broke into it breaks into the new one as long after its beginning. Who went on by himself, without
having heard anything, goes on after the same pause, whatever is said meanwhile. Within speech nothing is moved.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from pipelines.audio import FRAME_MS
from pipelines.machines.endpointing import BRIDGE_MS
from pipelines.timing import Turn

LONGEST_HOLD_MS = 2000.0  # who goes on after more than this has begun anew
REACTION_MS = 200.0  # nobody reacts faster to what he hears: the mode of gaps between speakers, Stivers et al. 2009
SHORTEST_SPEECH_MS = 60.0
TOLERANCE_MS = 2.0 * FRAME_MS  # a silence that is nearer than this to what it should be is left alone
NOTICED_MS = 120.0  # the end of a reply is known so long after it, at most
LONGEST_WAIT_MS = 10_000.0  # for an answer that does not come
ROOM_FRAMES = 25  # of the line's own silence, to fill up with

Span = tuple[float, float]


class Cue(msgspec.Struct, frozen=True):
    """What made the caller begin at `onset_ms`, in time of the recording. He had last spoken until `since_ms`."""

    since_ms: float
    onset_ms: float
    replies: int  # that he heard since then; he reacts to the last one
    after_ms: float  # its end when `waited`, else its beginning
    waited: bool


class Facts(msgspec.Struct, frozen=True):
    """What caller and agent did in the recorded call, in call time."""

    speech: list[Span]
    holds: list[Span]  # pauses after which the caller went on by himself
    agent: list[Span]

    def moved(self, axis: Axis) -> Facts:
        """The caller's part, on the time axis of a replay."""
        return Facts([axis.span(s) for s in self.speech], [axis.span(s) for s in self.holds], [])


def observe(speech: Sequence[float], recorded: Sequence[Turn]) -> Facts:
    """`speech`: starts of the frames in which the caller was heard; `recorded`: the turns of the stored call."""
    spans: list[Span] = []
    for start_ms in speech:
        if spans and start_ms - spans[-1][1] < BRIDGE_MS:
            spans[-1] = (spans[-1][0], start_ms + FRAME_MS)
        else:
            spans.append((start_ms, start_ms + FRAME_MS))
    spans = [span for span in spans if span[1] - span[0] >= SHORTEST_SPEECH_MS]
    agent = [
        (turn.agent_started_ms, turn.agent_ended_ms)
        for turn in recorded
        if turn.agent_started_ms is not None and turn.agent_ended_ms is not None
    ]
    holds = [
        (pause_ms, goes_on_ms)
        for (_, pause_ms), (goes_on_ms, _) in pairwise(spans)
        if goes_on_ms - pause_ms <= LONGEST_HOLD_MS and not _heard(agent, pause_ms, goes_on_ms)
    ]
    return Facts(spans, holds, agent)


def _heard(agent: Sequence[Span], from_ms: float, until_ms: float) -> list[Span]:
    """What of the agent the caller heard, and early enough to react to it."""
    return [span for span in agent if span[0] < until_ms - REACTION_MS and span[1] > from_ms]


def cues(facts: Facts, hung_up_ms: float | None) -> list[Cue]:
    """`hung_up_ms`: when the caller hung up, which he does as he speaks: after something."""
    onsets = [start for start, _ in facts.speech] + ([] if hung_up_ms is None else [hung_up_ms])
    ends = [0.0, *(end for _, end in facts.speech)]
    found = []
    for since_ms, onset_ms in zip(ends, onsets, strict=False):
        if heard := _heard(facts.agent, since_ms, onset_ms):
            start, end = heard[-1]
            waited = end <= onset_ms
            found.append(Cue(since_ms, onset_ms, len(heard), onset_ms - (end if waited else start), waited))
    return found


class Axis:
    """Time of the recording → call time of the replay. They part where silence was put in or left out."""

    def __init__(self) -> None:
        self._recorded = [-math.inf]
        self._replayed = [-math.inf]
        self._shifts = [0.0]

    def part(self, recorded_ms: float, replayed_ms: float) -> None:
        """From here on, what was at the one is at the other."""
        if self._recorded[-1] == recorded_ms:
            self._replayed[-1], self._shifts[-1] = replayed_ms, replayed_ms - recorded_ms
            return
        self._recorded.append(recorded_ms)
        self._replayed.append(replayed_ms)
        self._shifts.append(replayed_ms - recorded_ms)

    def replayed(self, recorded_ms: float) -> float:
        return recorded_ms + self._shifts[bisect_right(self._recorded, recorded_ms) - 1]

    def recorded(self, replayed_ms: float) -> float:
        return replayed_ms - self._shifts[bisect_right(self._replayed, replayed_ms) - 1]

    def span(self, recorded: Span) -> Span:
        shift = self.replayed(recorded[0]) - recorded[0]
        return recorded[0] + shift, recorded[1] + shift


class Reply(msgspec.Struct):
    """An answer of the replay, as heard."""

    started_ms: float
    ended_ms: float | None = None


class ListeningCaller:
    """Says which frame of the recording comes next. `replies` is filled by whoever hears the agent."""

    def __init__(self, cues: Sequence[Cue], from_ms: float, room: bytes) -> None:
        """`from_ms`: what lies before was heard before the call; `room`: a frame of silence."""
        self.axis = Axis()
        self.replies: list[Reply] = []
        self.at_ms = from_ms  # of the recording: the next frame
        self._cues = deque(cue for cue in cues if cue.onset_ms > from_ms)
        self._entered_ms: float | None = None  # replay time at which the silence before the next cue began
        self._filled_ms = 0.0
        self._tolerance_ms = TOLERANCE_MS
        self._silence = room
        self._room: deque[bytes] = deque(maxlen=ROOM_FRAMES)

    def fed(self, pcm: bytes) -> None:
        """The frame at `at_ms` was said (b"": it had got lost)."""
        if self._entered_ms is not None and pcm:
            self._room.append(pcm)
        self.at_ms += FRAME_MS

    def filler(self) -> bytes:
        """Silence of this line."""
        self._room.rotate(-1)
        return self._room[-1] if self._room else self._silence

    def waits(self, now_ms: float) -> bool:
        """Is silence to be put in now? Silence that is to be left out has been when this returns."""
        while self._cues and self.at_ms >= self._cues[0].onset_ms:
            self._cues.popleft()
            self._entered_ms = None
        if not self._cues or self.at_ms < self._cues[0].since_ms:
            return False
        cue = self._cues[0]
        if self._entered_ms is None:
            self._entered_ms, self._filled_ms, self._tolerance_ms = now_ms, 0.0, TOLERANCE_MS
            self._room.clear()
        left_ms = cue.onset_ms - self.at_ms
        due_ms = self._due(cue)
        if due_ms is None:
            waits = left_ms <= max(cue.after_ms - NOTICED_MS, 0.0) + FRAME_MS
        else:
            early_ms = due_ms - now_ms - left_ms  # how much too early he would begin
            waits = early_ms > self._tolerance_ms
            if early_ms < -self._tolerance_ms:
                self._leave_out(min(-early_ms, left_ms), now_ms)
        if not waits or self._filled_ms >= LONGEST_WAIT_MS:
            return False
        self._filled_ms += FRAME_MS
        self._tolerance_ms = FRAME_MS / 2
        self.axis.part(self.at_ms, now_ms + FRAME_MS)
        return True

    def _due(self, cue: Cue) -> float | None:
        """When he is to begin, as soon as it is known."""
        assert self._entered_ms is not None
        since = [r for r in self.replies if r.ended_ms is None or r.ended_ms > self._entered_ms]
        if len(since) < cue.replies:
            return None
        from_ms = since[cue.replies - 1].ended_ms if cue.waited else since[cue.replies - 1].started_ms
        return None if from_ms is None else from_ms + cue.after_ms

    def _leave_out(self, ms: float, now_ms: float) -> None:
        self.at_ms += round(ms / FRAME_MS) * FRAME_MS
        self._tolerance_ms = FRAME_MS / 2
        self.axis.part(self.at_ms, now_ms)
