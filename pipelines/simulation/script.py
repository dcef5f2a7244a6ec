"""What a simulated caller will do: moves with their audio and words, and when each of them falls due.

Plain data. Audio is signed 16-bit mono at 8 kHz, times are milliseconds from the start of the clip.
It knows neither how the audio was made nor what the agent will make of it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pipelines.audio import FRAME_MS
from pipelines.stages import Expect, Word

RATE_HZ = 8000
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2


class Kind(StrEnum):
    """What a move is. The three in the middle are not meant for the agent and must not take the turn."""

    TURN = "turn"
    BARGE_IN = "barge_in"  # a turn that begins while the agent speaks
    BACKCHANNEL = "backchannel"  # "mhm", "I see"
    TIC = "tic"  # a cough, an "um" that leads to nothing
    NON_DIRECTED = "non_directed"  # to somebody else in the room
    KEY = "key"  # a key of the telephone
    HANG_UP = "hang_up"


TURNS = (Kind.TURN, Kind.BARGE_IN)
BYSTANDERS = (Kind.BACKCHANNEL, Kind.TIC, Kind.NON_DIRECTED)


class Cue(StrEnum):
    """What `Move.wait_ms` is counted from."""

    AFTER_AGENT = "after_agent"  # the end of the agent's speech, as heard
    DURING_AGENT = "during_agent"  # its beginning; the move is dropped, or a turn said after, when it ends sooner
    AFTER_MOVE = "after_move"  # the end of the caller's previous move, whatever the agent does


class Clip(msgspec.Struct, frozen=True):
    """Whole 20 ms frames, with the speech in it as labelled. Noise of the line is part of it."""

    pcm: bytes = b""
    speech: tuple[tuple[float, float], ...] = ()  # (first sample, last sample) of each stretch, in order
    words: tuple[Word, ...] = ()

    def __repr__(self) -> str:
        words = " ".join(f"{w.start_ms:.0f}:{w.text}" for w in self.words)
        return f"Clip({self.length_ms:.0f} ms, {words!r})"

    @property
    def length_ms(self) -> float:
        return len(self.pcm) * 1000 / (2 * RATE_HZ)


class Move(msgspec.Struct, frozen=True):
    """One thing that the caller does, and what the agent's model answers when it asks for an answer."""

    kind: Kind
    clip: Clip = Clip()
    cue: Cue = Cue.AFTER_AGENT
    wait_ms: float = 400.0
    text: str = ""
    reply: str = "All right. What else can I do for you?"
    reply_ms: float = 0.0  # length of the answer's speech; 0: by its characters
    expect: Expect = Expect.ANYTHING  # what the answer asks for
    digit: str = ""


class Script(msgspec.Struct, frozen=True):
    """A whole call. `room` is heard between the moves, in a loop: whole frames, empty for digital silence."""

    name: str
    moves: tuple[Move, ...]
    greeting: str = "Hello, how can I help you?"
    language: str = "en"
    room: bytes = b""
    patience_ms: float = 6000.0  # without an answer for so long, the caller goes on
