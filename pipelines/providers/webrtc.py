"""WebRTC's voice detector behind an energy gate over a tracked noise floor: a few microseconds a frame.

The detector alone calls loud noise and key taps speech, and goes on for some 100 ms after speech ended.
Both must agree here, so the last frame called speech is where the energy ends. Answers frame by frame;
how long speech must last, and what a pause means, is decided elsewhere.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import webrtcvad
from msgspec import Meta

from pipelines.audio import FRAME_MS, rms
from pipelines.errors import AudioFormatError
from pipelines.registry import ProviderSpec

RATES_HZ = (8000, 16000, 32000, 48000)  # what the detector takes
_FULL_SCALE = 32768

# The floor is the lowest, over the last 2.5 s, of the 20 % quantile of half a second: pauses between words
# set it, while a lost packet (a frame of zeros) does not.
_BLOCK_FRAMES = 500 // FRAME_MS
_BLOCKS = 5
_QUANTILE = _BLOCK_FRAMES // 5
# In the first half second of a call the floor is a guess, which a word that is being said must not raise
# beyond this.
_FIRST_FLOOR_DBFS = -26.0


class WebrtcVadOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Annotated[int, Meta(ge=0, le=3)] = 2  # the detector's own strictness
    margin_db: Annotated[float, Meta(ge=0, le=30)] = 7.0  # speech is this much above the noise floor
    min_level_dbfs: Annotated[float, Meta(ge=-90, le=0)] = -54.0  # and this loud in any case
    range_db: Annotated[float, Meta(ge=10, le=90)] = 30.0  # and not this much below the speech just heard


def _amplitude(dbfs: float) -> float:
    return _FULL_SCALE * 10 ** (dbfs / 20)


class WebrtcVadStream:
    """One call's detector and its noise floor."""

    def __init__(self, options: WebrtcVadOptions, rate_hz: int) -> None:
        self._detector = webrtcvad.Vad(options.mode)
        self._rate_hz = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._margin = 10 ** (options.margin_db / 20)
        self._range = 10 ** (-options.range_db / 20)
        self._least = _amplitude(options.min_level_dbfs)
        self._first_floor = _amplitude(_FIRST_FLOOR_DBFS)
        self._block: list[int] = []
        self._floors: list[int] = []  # of the last blocks, oldest first
        self._gate = self._least
        self._peak = 0.0  # level of recent speech

    def feed(self, pcm: bytes) -> bool:
        """Is there speech in these 20 ms? Raises AudioFormatError for any other length."""
        if len(pcm) != self._frame_bytes:
            raise AudioFormatError(f"a frame for voice detection has {self._frame_bytes} bytes, not {len(pcm)}")
        level = rms(pcm)
        block = self._block
        block.append(level)
        if len(block) == _BLOCK_FRAMES:
            self._finish_block()
        elif not self._floors:
            self._guess_floor()
        # The detector hears every frame: it adapts to noise on its own account.
        if not self._detector.is_speech(pcm, self._rate_hz) or level < self._gate:
            return False
        # The peak fades by 6 dB a second, so that a quieter speaker is heard after a loud one.
        self._peak = max(self._peak * 0.986, level)
        return level >= self._peak * self._range

    def _guess_floor(self) -> None:
        quiet = sorted(self._block)[len(self._block) // 5]
        self._set_gate(min(quiet, self._first_floor))

    def _finish_block(self) -> None:
        self._block.sort()
        self._floors.append(self._block[_QUANTILE])
        self._block = []
        del self._floors[:-_BLOCKS]
        self._set_gate(min(self._floors))

    def _set_gate(self, floor: float) -> None:
        self._gate = max(floor * self._margin, self._least)


class WebrtcVad:
    """A `Vad` (see `pipelines.stages`); nothing is shared between its streams."""

    def __init__(self, options: WebrtcVadOptions) -> None:
        self._options = options

    def open(self, rate_hz: int) -> WebrtcVadStream:
        if rate_hz not in RATES_HZ:
            raise AudioFormatError(f"voice detection needs one of {RATES_HZ} Hz, not {rate_hz}")
        return WebrtcVadStream(self._options, rate_hz)

    async def close(self) -> None:
        pass


async def _vad(options: WebrtcVadOptions) -> WebrtcVad:
    return WebrtcVad(options)


PROVIDER = ProviderSpec(name="webrtc", options=WebrtcVadOptions, vad=_vad)
