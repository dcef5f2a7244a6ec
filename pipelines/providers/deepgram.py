"""Deepgram: streaming transcription over its WebSockets, Nova (`/v1/listen`) or Flux (`/v2/listen`); Aura's voices.

On the documented protocol and the process's one pool of connections; `deepgram-sdk` would bring a second WebSocket
library with its own TLS context for every call, and it drops frames that it does not understand, of which a call has
to know. Our machine decides turns, so the server's endpointing is off; what Flux hears of turns is told.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.abilities import TurnSign
from pipelines.audio import AudioFormat, Codec
from pipelines.connections import Connections
from pipelines.errors import Remedy, StageError
from pipelines.providers._deepgram_aura import DeepgramTts
from pipelines.providers._deepgram_flux import Flux
from pipelines.providers._deepgram_nova import KEEP_ALIVE, Nova
from pipelines.providers._deepgram_options import DeepgramOptions
from pipelines.providers._socket import ProviderSocket
from pipelines.providers._stream_session import Line, StreamSession, TurnSession, terms
from pipelines.providers._stream_text import StreamText
from pipelines.registry import ProviderSpec
from pipelines.stages import SttOptions

KEEP_ALIVE_S = 4.0  # a connection without audio for 10 s is closed (NET-0001); 3 to 5 s are recommended
SILENCE_S = 0.1  # Flux knows no KeepAlive: audio is what keeps it alive
ENCODINGS = {Codec.ULAW: "mulaw", Codec.PCM16: "linear16"}

Query = list[tuple[str, str]]


class DeepgramStt:
    """`Stt`. One connection a call, opened with the session."""

    def __init__(self, options: DeepgramOptions) -> None:
        self._options = options
        self._pool = Connections.take()

    @property
    def model(self) -> str:
        return self._options.model

    async def open(self, options: SttOptions) -> StreamSession:
        """Raises StageError."""
        flux = self._options.model.startswith("flux")
        if self._options.model == "flux-general-en" and not options.language.startswith("en"):
            message = f"{self._options.model} knows no language {options.language!r}: flux-general-multi, nova-3"
            raise StageError(message, stage="stt", provider="deepgram", remedy=Remedy.SWITCH)
        # Telephone audio was µ-law before and is so again, without a loss.
        audio = AudioFormat(Codec.ULAW if options.rate_hz == 8000 else Codec.PCM16, options.rate_hz)
        query = self._common(audio) + (self._flux(options) if flux else self._nova(options))

        def dial(told: Callable[[TurnSign], None]) -> Line:
            line = Line(StreamText("deepgram"), audio)
            if flux:
                line.dialect = Flux(line.text, line.silence, told)
                line.socket = self._socket(Flux.path, query, line, lambda: line.counted(line.silence(SILENCE_S)))
            else:
                line.dialect = Nova(line.text)
                line.socket = self._socket(Nova.path, query, line, lambda: KEEP_ALIVE)
            return line

        session = TurnSession(dial) if flux else StreamSession(dial)
        await session.opened()
        return session

    async def close(self) -> None:
        await self._pool.give_back()

    def _socket(self, path: str, query: Query, line: Line, alive: Callable[[], str | bytes]) -> ProviderSocket:
        return ProviderSocket(
            self._pool.session,
            self._options.base_url.rstrip("/") + path,
            headers={"Authorization": f"Token {self._options.api_key.reveal()}"},
            query=query,
            stage="stt",
            provider="deepgram",
            told=line.told,
            ended=line.news.set,
            alive=(KEEP_ALIVE_S, alive),
            complaint="dg-error",
        )

    def _common(self, audio: AudioFormat) -> Query:
        return [
            ("model", self._options.model),
            ("encoding", ENCODINGS[audio.codec]),
            ("sample_rate", str(audio.rate_hz)),
        ]

    def _nova(self, options: SttOptions) -> Query:
        key = "keyterm" if self._options.model.startswith("nova-3") else "keywords"
        return [
            ("language", options.language),
            ("interim_results", "true"),
            ("punctuate", "true"),
            ("smart_format", "true" if self._options.smart_format else "false"),
            ("endpointing", "false"),
            *((key, term) for term in terms(options.phrases)),
        ]

    def _flux(self, options: SttOptions) -> Query:
        hint = [("language_hint", options.language)] if self._options.model.endswith("multi") else []
        eager = min(self._options.eager_end_confidence, self._options.end_confidence)  # a higher one is refused
        return [
            ("eager_eot_threshold", str(eager)),
            ("eot_threshold", str(self._options.end_confidence)),
            *hint,
            *(("keyterm", term) for term in terms(options.phrases)),
        ]


async def _stt(options: DeepgramOptions) -> DeepgramStt:
    return DeepgramStt(options)


async def _tts(options: DeepgramOptions) -> DeepgramTts:
    return DeepgramTts(options)


PROVIDER = ProviderSpec(name="deepgram", options=DeepgramOptions, stt=_stt, tts=_tts)
