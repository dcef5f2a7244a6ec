"""What can be set about Cartesia, and about one of its voices."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipelines.secrets import Secret


class CartesiaOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    api_key: Secret = Secret("env:CARTESIA_API_KEY")
    base_url: str = "https://api.cartesia.ai"
    version: str = "2026-03-01"  # of its interface: a date
    tts_model: str = "sonic-3"
    voice_id: str = "f786b574-daa5-4673-aa0c-cbe3e8534c02"  # speaks every language of the model
    voices: dict[str, str] = {}  # by language, before `voice_id`
    stt_model: str = ""  # "": ink-2 for English, which is all it knows, else ink-whisper

    def voice(self, language: str) -> str:
        return self.voices.get(language, self.voice_id)

    def recogniser(self, language: str) -> str:
        return self.stt_model or ("ink-2" if language == "en" else "ink-whisper")


class CartesiaVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`voice.settings` of an agent: https://docs.cartesia.ai/build-with-cartesia/sonic-3/volume-speed-emotion."""

    volume: Annotated[float, Meta(ge=0.5, le=2.0)] | None = None
    emotion: str | None = None
    pronunciation_dict_id: str = ""

    def delivery(self) -> dict[str, Any]:
        named = (("volume", self.volume), ("emotion", self.emotion))
        return {name: value for name, value in named if value is not None}
