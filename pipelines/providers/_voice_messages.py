"""What a voice in a worker process and its parent say to each other. No engine, no audio library."""

from __future__ import annotations

import msgspec

from pipelines.audio import AudioFormat
from pipelines.stages import Word


class Speak(msgspec.Struct, tag=True, frozen=True):
    id: int
    text: str
    voice_id: str  # "": by language
    language: str  # a BCP 47 tag
    speed: float
    settings: dict[str, float]  # has at least a "volume", in percent
    audio_format: AudioFormat


class Cancel(msgspec.Struct, tag=True, frozen=True):
    id: int


class Piece(msgspec.Struct, tag=True, frozen=True):
    id: int
    audio: bytes
    words: tuple[Word, ...] = ()


class Done(msgspec.Struct, tag=True, frozen=True):
    id: int


class Failed(msgspec.Struct, tag=True, frozen=True):
    id: int
    reason: str
    retriable: bool


Request = Speak | Cancel
Reply = Piece | Done | Failed
