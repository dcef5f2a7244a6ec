"""What the engines and the world did in one call, as lines of JSON: with the caller's audio, enough to replay it.

Only the vocabulary and its coding. It knows neither who writes the lines down nor what they are used for. Times
are call time in milliseconds, `heard_ms` is the end of the newest frame of the caller's audio, which no late
arrival moves; offsets and durations (`took_ms`) count from the request.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pipelines.audio import AudioFormat
from pipelines.errors import VoicecoreError
from pipelines.stages import Expect, Hint, LlmEvent, TextDelta, ToolCall, Usage

FORMAT = 1


class TraceDamaged(VoicecoreError):
    """A trace cannot be read, or was written in another format."""

    code = "trace_damaged"
    http_status = 422


class Entry(msgspec.Struct, frozen=True, tag_field="is", omit_defaults=True, kw_only=True):
    """One line."""


class Opened(Entry, tag="opened", frozen=True, kw_only=True):
    """The first line: the settings in force. `agent` is an `AgentSettings` without secrets, `vad` a `StageSettings`."""

    format: int = 0
    agent: dict[str, Any]
    greeting: str  # as it was spoken
    prompt_characters: int  # of the instructions to the model, which cost tokens
    vad: dict[str, Any]
    engines: dict[str, str]  # stage → provider of first choice
    inbound_hz: int
    outbound: AudioFormat
    has_marks: bool
    ahead_ms: float


class Running(Entry, tag="running", frozen=True, kw_only=True):
    """The conversation began at `started_ms` (negative: before the first audio); the pacer ticked at `tick_ms`."""

    started_ms: float
    tick_ms: float


class Gap(Entry, tag="gap", frozen=True, kw_only=True):
    """Audio of the caller that never came; in the recording it is silence."""

    from_ms: float
    until_ms: float


class Late(Entry, tag="late", frozen=True, kw_only=True):
    """The frame that begins here came later than it could have, by more than `clock.TOLD_MS`."""

    from_ms: float
    late_ms: float


class Closed(Entry, tag="closed", frozen=True, kw_only=True):
    """The last line, unless the server crashed. `lost_pieces` of the recording: the disk was too slow for them."""

    heard_ms: float
    lost_pieces: int = 0


# --- recogniser -----------------------------------------------------------------------------------


class UtteranceBegan(Entry, tag="utterance", frozen=True, kw_only=True):
    heard_ms: float
    expect: Expect = Expect.ANYTHING


class PartialRead(Entry, tag="partial", frozen=True, kw_only=True):
    """The hypothesis was looked at, and was a new one."""

    heard_ms: float
    text: str


class Flushed(Entry, tag="flush", frozen=True, kw_only=True):
    """Everything heard of the utterance up to `heard_ms` was asked for. `words` start at its first sample."""

    heard_ms: float
    took_ms: float
    text: str = ""
    words: tuple[tuple[str, float, float], ...] = ()  # text, start, end
    error: str = ""
    cut: bool = False  # given up before the answer came


class Detected(Entry, tag="detector", frozen=True, kw_only=True):
    """The detector of a turn's end was asked about a pause. `probability` below 0: there was no answer."""

    heard_ms: float
    took_ms: float
    probability: float = -1.0
    error: str = ""


# --- model ----------------------------------------------------------------------------------------


class Gave(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event of a model's stream; a single field beside the offset is set."""

    at: float  # offset
    text: str = ""
    hint: Hint | None = None
    call: ToolCall | None = None
    usage: Usage | None = None

    @staticmethod
    def of(at: float, event: LlmEvent) -> Gave:
        if isinstance(event, TextDelta):
            return Gave(at=at, text=event.text)
        if isinstance(event, Hint):
            return Gave(at=at, hint=event)
        if isinstance(event, ToolCall):
            return Gave(at=at, call=event)
        return Gave(at=at, usage=event)

    def event(self) -> LlmEvent:
        return self.hint or self.call or self.usage or TextDelta(self.text)


class Asked(Entry, tag="llm", frozen=True, kw_only=True):
    """A request: what the caller had said last, and how many messages (tool calls, results) followed that."""

    at_ms: float
    said: str
    after: int = 0
    gave: tuple[Gave, ...] = ()
    took_ms: float
    error: str = ""
    cut: bool = False


class ToolUsed(Entry, tag="tool", frozen=True, kw_only=True):
    at_ms: float
    name: str
    arguments: dict[str, Any]
    result: str
    took_ms: float


# --- voice ----------------------------------------------------------------------------------------


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A chunk of speech: offset, its size, how many of these bytes at its beginning are silence, its words."""

    at: float
    size: int
    quiet: int = 0
    words: tuple[tuple[str, float, float], ...] = ()


class Spoke(Entry, tag="tts", frozen=True, kw_only=True):
    at_ms: float
    text: str
    pieces: tuple[Piece, ...] = ()
    took_ms: float
    error: str = ""
    cut: bool = False


# --- the other end --------------------------------------------------------------------------------


class MarkBack(Entry, tag="mark", frozen=True, kw_only=True):
    """A mark returned, `after_ms` later than what was sent before it ended by our own clock."""

    at_ms: float
    name: str
    after_ms: float


class Cleared(Entry, tag="clear", frozen=True, kw_only=True):
    """What was sent was to be forgotten. `works`: the dialect has such a thing."""

    at_ms: float
    works: bool


class Key(Entry, tag="key", frozen=True, kw_only=True):
    at_ms: float
    digit: str


class Goodbye(Entry, tag="goodbye", frozen=True, kw_only=True):
    """Somebody had the agent say goodbye."""

    at_ms: float
    reason: str


class Ended(Entry, tag="ended", frozen=True, kw_only=True):
    """The call ended from outside: the caller hung up, the line broke."""

    at_ms: float
    reason: str


AnyEntry = (
    Opened
    | Running
    | Gap
    | Late
    | Closed
    | UtteranceBegan
    | PartialRead
    | Flushed
    | Detected
    | Asked
    | ToolUsed
    | Spoke
    | MarkBack
    | Cleared
    | Key
    | Goodbye
    | Ended
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)


def encode(entries: list[Entry]) -> bytes:
    """One line each."""
    return _encoder.encode_lines(entries)


def decode(data: bytes) -> list[AnyEntry]:
    """The lines of a trace; a last one that was cut off by a crash is left out. Raises TraceDamaged."""
    whole, _, _ = data.rpartition(b"\n")
    try:
        entries = _decoder.decode_lines(whole)
    except msgspec.MsgspecError as error:
        raise TraceDamaged(f"the trace of this call cannot be read: {error}") from None
    if not entries or not isinstance(entries[0], Opened):
        raise TraceDamaged("the trace of this call has no beginning")
    if entries[0].format != FORMAT:
        raise TraceDamaged(f"the trace of this call has format {entries[0].format}; this version reads {FORMAT}")
    return entries
