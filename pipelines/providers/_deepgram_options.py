"""What can be set about Deepgram."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.secrets import Secret

VOICES = {"en": "aura-2-thalia-en", "de": "aura-2-viktoria-de"}


class DeepgramOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ranges of the thresholds: https://developers.deepgram.com/docs/flux/configuration."""

    api_key: Secret = Secret("env:DEEPGRAM_API_KEY")
    base_url: str = "https://api.deepgram.com"
    model: str = "nova-3"  # of the stt stage; "flux-general-en" and "flux-general-multi" hear turns, too
    smart_format: bool = True  # numbers, dates and times written as such
    eager_end_confidence: Annotated[float, Meta(ge=0.3, le=0.9)] = 0.5  # Flux: from here on the answer is prepared
    end_confidence: Annotated[float, Meta(ge=0.5, le=1.0)] = 0.7  # Flux: from here on the turn counts as over
    voices: dict[str, str] = {}  # of the tts stage, by language, before `VOICES`

    def voice(self, language: str) -> str | None:
        name = language.partition("-")[0].lower()
        return self.voices.get(name) or VOICES.get(name)
