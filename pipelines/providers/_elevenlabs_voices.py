"""What a text is to be said with: the voice, its settings and the language, in ElevenLabs' words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipelines.errors import Remedy
from pipelines.providers._elevenlabs_link import Account
from pipelines.stages import Voice

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
SLOWEST, FASTEST = 0.7, 1.2  # https://elevenlabs.io/docs/api-reference/voices/settings
LANGUAGE_MODELS = ("eleven_flash_v2_5", "eleven_turbo_v2_5")  # the others refuse `language_code`


class VoiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`settings` of a voice; None: as the voice's owner has set it. `speed` goes before the agent's own."""

    stability: Share | None = None
    similarity_boost: Share | None = None
    style: Share | None = None
    use_speaker_boost: bool | None = None
    speed: Annotated[float, Meta(ge=SLOWEST, le=FASTEST)] | None = None


class Manner(msgspec.Struct, frozen=True):
    """How one text is to be said."""

    voice_id: str
    settings: dict[str, Any]  # may be empty
    language: str | None  # ISO 639-1; None: the model finds out


def manner_of(voice: Voice, model: str, default: str, by_language: Mapping[str, str], account: Account) -> Manner:
    """Raises StageError for settings that are none."""
    try:
        settings = msgspec.convert(voice.settings, VoiceSettings)
    except msgspec.ValidationError as error:
        raise account.failed(f"voice settings: {error}", Remedy.SWITCH) from error
    if settings.speed is None and voice.speed != 1.0:
        settings = msgspec.structs.replace(settings, speed=min(max(voice.speed, SLOWEST), FASTEST))
    tongue = voice.language.partition("-")[0].lower()
    return Manner(
        voice.voice_id or by_language.get(voice.language) or by_language.get(tongue) or default,
        msgspec.to_builtins(settings),
        tongue if tongue and model in LANGUAGE_MODELS else None,
    )
