"""Whisper on this machine by way of faster-whisper and CTranslate2: one model, loaded at boot, for all calls.

Pauses and turns of concurrent calls go through the network together (`pipelines.whisper`). Weights are found, never
fetched.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipelines.errors import EngineMissing, Remedy, StageError
from pipelines.registry import ProviderSpec
from pipelines.stages import SttOptions
from pipelines.whisper.batcher import Batcher
from pipelines.whisper.options import NAME, FasterWhisperOptions

if TYPE_CHECKING:
    from pipelines.whisper.decoder import Decoder
    from pipelines.whisper.session import Session, WhisperBatcher

DETECTED = ("", "auto")
LOWEST_RATE_HZ = 8000
WARM_UP_S = 1
GPU_BATCH = 16
CPU_BATCH = (
    4  # two cores, `tiny`: more gives little throughput, and all of a batch wait for its last (benchmarks.whisper)
)


class Engine:
    """An `Stt` (see `pipelines.stages`)."""

    def __init__(self, decoder: Decoder, options: FasterWhisperOptions) -> None:
        self.decoder = decoder
        on_gpu = decoder.device == "cuda"
        self.batcher: WhisperBatcher = Batcher(
            decoder.run,
            name=NAME,
            most=options.max_batch or (GPU_BATCH if on_gpu else CPU_BATCH),
            together=on_gpu,
            collect_s=options.collect_ms / 1000,
            most_waiting=options.max_waiting,
        )
        self._options = options

    @property
    def backlog_ms(self) -> float:
        return self.batcher.backlog_ms

    async def open(self, options: SttOptions) -> Session:
        """Raises EngineMissing for a language that the model does not know, StageError for a rate below 8 kHz."""
        from pipelines.whisper.decoder import Utterance
        from pipelines.whisper.session import Session

        if options.rate_hz < LOWEST_RATE_HZ:
            reason = f"audio of {options.rate_hz} Hz; it takes {LOWEST_RATE_HZ} and more"
            raise StageError(reason, stage="stt", provider=NAME, remedy=Remedy.SWITCH)
        about = Utterance(
            b"",
            options.rate_hz,
            language=self.language(self._options.language or options.language),
            hotwords=self.decoder.hotwords(options.phrases),
            word_times=self._options.word_times,
        )
        return Session(self.batcher, options.rate_hz, self._options.settle_ms, about)

    def language(self, name: str) -> str:
        """What the model calls it, "" for one that is to be detected. Raises EngineMissing."""
        language = name.lower().replace("_", "-").partition("-")[0]
        if language in DETECTED:
            return "" if self.decoder.is_multilingual else "en"
        if language not in self.decoder.languages:
            raise EngineMissing(
                f'the model "{self._options.model}" does not know the language "{name}"',
                stage="stt",
                provider=NAME,
                remedy=Remedy.SWITCH,
            )
        return language

    async def close(self) -> None:
        await self.batcher.close()


def _ready(options: FasterWhisperOptions) -> Decoder:
    """Loaded, and run once: the first run of a network takes longer than all others. Raises EngineMissing."""
    from pipelines.whisper import weights
    from pipelines.whisper.decoder import Decoder, Utterance

    decoder = Decoder(weights.load(options), options)
    try:
        decoder.run([Utterance(bytes(2 * 8000 * WARM_UP_S), 8000, language="en")])
    except (RuntimeError, ValueError) as error:  # CTranslate2's: libraries of CUDA are looked up now
        raise weights.missing(f"the model loads but does not run: {error}") from error
    return decoder


async def make(options: FasterWhisperOptions) -> Engine:
    """Raises EngineMissing, with what to do, when package or weights are not here."""
    return Engine(await asyncio.to_thread(_ready, options), options)


PROVIDER = ProviderSpec(name=NAME, options=FasterWhisperOptions, stt=make)
