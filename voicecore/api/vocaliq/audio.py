"""Speech to text, text to speech, and the files that come of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from pipelines.errors import ValidationError
from pipelines.stages import Transcript
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.links import Links
from voicecore.api.parsing import INVALID, read_form
from voicecore.services.audio_desk import LIFE, AudioDesk

UPLOAD_LIMIT = 25 * 1024 * 1024  # bytes: ten minutes of 16-bit audio at 16 kHz, and some more
UNKNOWN_CONFIDENCE = 0.5
MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}


class SttForm(msgspec.Struct):
    """`file`: wav, mp3, ogg or flac, at most ten minutes."""

    file: bytes
    language: str = ""


class WordShape(msgspec.Struct):
    """Seconds from the beginning of the file."""

    word: str
    start: float
    end: float
    confidence: float


class SttResponse(msgspec.Struct):
    """`confidence` 0 to 1, 0.5 where the recogniser does not say how sure it is."""

    text: str
    language: str
    confidence: float
    duration: float
    words: list[WordShape]


class SpeechSettings(msgspec.Struct):
    """`stability` and `similarity_boost` are honoured by voices that know them; `speed` by all."""

    speed: Annotated[float, Meta(ge=0.25, le=4)] | msgspec.UnsetType = msgspec.UNSET
    stability: Annotated[float, Meta(ge=0, le=1)] | msgspec.UnsetType = msgspec.UNSET
    similarity_boost: Annotated[float, Meta(ge=0, le=1)] | msgspec.UnsetType = msgspec.UNSET


class TtsRequest(msgspec.Struct):
    """A voice that the engine does not know is replaced by the agent's own."""

    text: Annotated[str, Meta(min_length=1, max_length=5000, pattern=r"\w")]
    voice_id: str = ""
    output_format: Literal["mp3", "wav"] = "mp3"
    settings: SpeechSettings = msgspec.field(default_factory=SpeechSettings)


class TtsResponse(msgspec.Struct):
    audio_url: str
    duration: float
    char_count: int
    voice_id: str


class AudioHandlers:
    def __init__(self, desk: AudioDesk, links: Links) -> None:
        self._desk = desk
        self._links = links

    async def stt(self, exchange: Exchange) -> SttResponse:
        form = await read_form(exchange.http, UPLOAD_LIMIT)
        data = form.get("file", b"")
        if not data:
            raise ValidationError(INVALID, (("file", "required"),))
        language = form.get("language", b"").decode("utf-8", "replace").strip()
        heard, seconds = await self._desk.transcribe(exchange.organization_uid, data, language)
        return _heard(heard, seconds)

    async def tts(self, exchange: Exchange) -> TtsResponse:
        body: TtsRequest = exchange.body
        given: dict[str, Any] = msgspec.to_builtins(body.settings)
        file = await self._desk.speak(
            exchange.organization_uid, body.text, body.output_format, voice_id=body.voice_id or None, settings=given
        )
        url = self._links.to(f"/audio/{file.name}", exchange.http, LIFE)
        return TtsResponse(url, round(file.duration_s, 3), len(body.text), body.voice_id)

    async def file(self, exchange: Exchange) -> web.StreamResponse:
        """A signed link needs no token; either way 404 hides foreign ones."""
        name = exchange.path("name")
        path = await self._desk.file(name, self._links.organization(exchange))
        kind = MEDIA_TYPES[name.rpartition(".")[2]]
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": "private, no-store"})

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/audio", "Audio"
        return [
            Route(
                method="POST",
                path=f"{base}/stt",
                handler=self.stt,
                summary="Text of an audio file, with the times of its words",
                tag=tag,
                form=SttForm,
                response=SttResponse,
                limit="audio",
                changes=False,
            ),
            Route(
                method="POST",
                path=f"{base}/tts",
                handler=self.tts,
                summary="Speak a text; the file is kept for a day",
                tag=tag,
                body=TtsRequest,
                response=TtsResponse,
                limit="audio",
                changes=False,
            ),
            Route(
                method="GET",
                path="/audio/{name:[^/]+[.](?:mp3|wav)}",
                handler=self.file,
                summary="An audio file that was made here. Bearer token or signed link; ranges served",
                tag=tag,
                media_type="audio/mpeg",
                auth=Auth.ACCESS_OR_SIGNATURE,
                limit="audio",
            ),
        ]


def _heard(heard: Transcript, seconds: float) -> SttResponse:
    def sure(confidence: float | None) -> float:
        return UNKNOWN_CONFIDENCE if confidence is None else round(confidence, 4)

    words = [
        WordShape(w.text, round(w.start_ms / 1000, 3), round(w.end_ms / 1000, 3), sure(w.confidence))
        for w in heard.words
    ]
    return SttResponse(heard.text, heard.language or "", sure(heard.confidence), round(seconds, 3), words)
