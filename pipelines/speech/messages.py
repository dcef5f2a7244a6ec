"""What the recogniser's two halves say to each other. A session is a number that the parent chose."""

from __future__ import annotations

import msgspec

from pipelines.stages import Word


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """A new utterance; whatever an earlier one of that session left is dropped. Makes the session if need be."""

    session: int
    utterance: int
    models: str  # directory that `build` filled
    expect: str
    rate_hz: int


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    session: int
    pcm: bytes


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    session: int
    request: int


class End(msgspec.Struct, frozen=True, tag="end"):
    """Nothing more is wanted of the utterance."""

    session: int


class Close(msgspec.Struct, frozen=True, tag="close"):
    session: int


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Have decoders ready for these models before somebody speaks."""

    models: str
    decoders: int


Request = Begin | Audio | Flush | End | Close | Prepare


class Partial(msgspec.Struct, frozen=True, tag="partial"):
    session: int
    utterance: int
    text: str


class Final(msgspec.Struct, frozen=True, tag="final"):
    request: int
    text: str
    words: tuple[Word, ...]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """That utterance cannot be recognised; the session stays usable."""

    session: int
    utterance: int
    reason: str


Answer = Partial | Final | Failed
