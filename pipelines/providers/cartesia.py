"""Cartesia: voices and streaming transcription over its WebSockets, a second source for both stages of speech.

On the documented protocol and the process's one pool of connections: its SDK opens sockets of another library with
their own TLS context, and its contexts queue without a bound.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.abilities import TurnSign
from pipelines.audio import AudioFormat, Codec
from pipelines.connections import Connections
from pipelines.providers._cartesia_ink import Ink
from pipelines.providers._cartesia_options import CartesiaOptions
from pipelines.providers._cartesia_sonic import ENCODINGS, CartesiaTts, SonicLine
from pipelines.providers._socket import ProviderSocket
from pipelines.providers._stream_session import Line, StreamSession, terms
from pipelines.providers._stream_text import StreamText
from pipelines.registry import ProviderSpec
from pipelines.stages import SttOptions

KEEP_ALIVE_S = 60.0  # the recogniser closes connections that carry no audio for three minutes
SILENCE_S = 0.1


def _headers(options: CartesiaOptions) -> dict[str, str]:
    return {"Authorization": f"Bearer {options.api_key.reveal()}", "Cartesia-Version": options.version}


class CartesiaStt:
    """`Stt`. One connection a call, opened with the session."""

    def __init__(self, options: CartesiaOptions) -> None:
        self._options = options
        self._pool = Connections.take()

    @property
    def model(self) -> str:
        return self._options.recogniser("en")

    async def open(self, options: SttOptions) -> StreamSession:
        """Raises StageError."""
        # Telephone audio was µ-law before and is so again, without a loss.
        audio = AudioFormat(Codec.ULAW if options.rate_hz == 8000 else Codec.PCM16, options.rate_hz)
        language = options.language.partition("-")[0].lower()
        model = self._options.recogniser(language)
        query = [
            ("model", model),
            ("language", language),
            ("encoding", ENCODINGS[audio.codec]),
            ("sample_rate", str(audio.rate_hz)),
            *(("keyterm", term) for term in terms(options.phrases) if not model.startswith("ink-whisper")),
        ]

        def dial(told: Callable[[TurnSign], None]) -> Line:
            line = Line(StreamText("cartesia", joint=""), audio)
            line.dialect = Ink(line.text)
            line.socket = ProviderSocket(
                self._pool.session,
                self._options.base_url.rstrip("/") + "/stt/websocket",
                headers=_headers(self._options),
                query=query,
                stage="stt",
                provider="cartesia",
                told=line.told,
                ended=line.news.set,
                alive=(KEEP_ALIVE_S, lambda: line.counted(line.silence(SILENCE_S))),
            )
            return line

        session = StreamSession(dial)
        await session.opened()
        return session

    async def close(self) -> None:
        await self._pool.give_back()


async def _stt(options: CartesiaOptions) -> CartesiaStt:
    return CartesiaStt(options)


async def _tts(options: CartesiaOptions) -> CartesiaTts:
    pool = Connections.take()

    def dial(line: SonicLine) -> ProviderSocket:
        return ProviderSocket(
            pool.session,
            options.base_url.rstrip("/") + "/tts/websocket",
            headers=_headers(options),
            query=[],
            stage="tts",
            provider="cartesia",
            told=line.told,
            ended=line.ended,
        )

    return CartesiaTts(options, dial, pool.give_back)


PROVIDER = ProviderSpec(name="cartesia", options=CartesiaOptions, stt=_stt, tts=_tts)
