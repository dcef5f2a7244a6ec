"""WebRTC's voice detector behind an energy gate over tracked noise: a few microseconds a frame.

The detector alone calls loud noise, music and key taps speech, and goes on for some 100 ms after speech ended.
Both must agree here, so the last frame called speech is where the energy ends, or, where the end drowns in noise, a
little later. Answers frame by frame; how long speech must last, and what a pause means, is decided elsewhere.
"""

from __future__ import annotations

import _webrtcvad  # the C functions of `webrtcvad`: its class around them costs a sixth of a frame

from pipelines.audio import FRAME_MS, rms
from pipelines.errors import AudioFormatError
from pipelines.providers._webrtc_options import WebrtcVadOptions as WebrtcVadOptions
from pipelines.registry import ProviderSpec

_process = _webrtcvad.process

RATES_HZ = (8000, 16000, 32000, 48000)  # what the detector takes
_FULL_SCALE = 32768

# Half a second is a block. Of its 25 levels the sixth is its low one (a lost packet, a frame of zeros, is lower), the
# twenty-first its high one. The noise's floor is the lowest low one of the last 2.5 s: pauses between words set it.
# That says little of people or music in the background, whose levels spread by 10 dB: the noise's top is the high one
# that three in ten of the last 40 blocks without speech do not reach. A block of more than 12 dB holds speech (nine in
# ten of it do, and one in twenty of six people at once), and so does one of which three quarters were taken for it.
# In noise, somebody who talks on and on without a pause would become that top: it is at most 18 dB above the floor, and
# after 20 s of such blocks what is at most 4 dB below the peak of speech is heard in any case, if it is above the top.
# Two blocks in a row of about one level are noise, however loud: of speech one second in a thousand is within 5 dB, a
# passing car always. But a voice draws breath or closes its lips, if only for a frame or two; noise has no such dips.
_BLOCK_FRAMES = 500 // FRAME_MS
_LOW = _BLOCK_FRAMES // 5
_HIGH = _BLOCK_FRAMES - _LOW
_FLOOR_BLOCKS = 5
_TOP_BLOCKS = 40
_TOP_SHARE = 0.3
_TOP_OVER_FLOOR = 10 ** (18 / 20)
_UNDER_PEAK = 10 ** (-4 / 20)
_WIDE = 10 ** (12 / 20)
_MOSTLY_SPEECH = _BLOCK_FRAMES * 3 / 4
_FLAT = 10 ** (4 / 20)
_DIP = 10 ** (9 / 20)
_SAME_LEVEL = 10 ** (6 / 20)
# In the first half second of a call the floor is a guess, which a word that is being said must not raise
# beyond this.
_FIRST_FLOOR_DBFS = -22.5
# The soft end of a word drowns in noise: speech that stands 20 dB out of it ends where it is heard to end, but what
# hardly stands out goes on for 100 ms.
_CLEAR = 10.0  # peak over gate
_DROWNED_FRAMES = 100 // FRAME_MS
_DROWNED = _DROWNED_FRAMES / (_CLEAR - 2.5)  # all of them at 8 dB


def _amplitude(dbfs: float) -> float:
    return _FULL_SCALE * 10 ** (dbfs / 20)


class WebrtcVadStream:
    """One call's detector and what it knows of the noise."""

    __slots__ = (
        "_block",
        "_detector",
        "_first_floor",
        "_flat",
        "_floors",
        "_frame_bytes",
        "_gate",
        "_least",
        "_left",
        "_margin",
        "_peak",
        "_range",
        "_rate_hz",
        "_run",
        "_said",
        "_tops",
    )

    def __init__(self, options: WebrtcVadOptions, rate_hz: int) -> None:
        self._detector = _webrtcvad.create()
        _webrtcvad.init(self._detector)
        _webrtcvad.set_mode(self._detector, options.mode)
        self._rate_hz = rate_hz
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._margin = 10 ** (options.margin_db / 20)
        self._range = 10 ** (-options.range_db / 20)
        self._least = _amplitude(options.min_level_dbfs)
        self._first_floor = _amplitude(_FIRST_FLOOR_DBFS)
        self._block: list[int] = []  # levels, oldest first
        self._said = 0  # frames of speech in it
        self._flat = 0  # high level of the block before, if that was of one level
        self._floors: list[int] = []  # low levels of the last blocks, oldest first
        self._tops: list[int] = []  # and high ones, of those that may be noise
        self._gate = self._least
        self._peak = 0.0  # level of recent speech
        self._run = 0  # frames of speech in a row
        self._left = 0  # frames that may still be speech, after it

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
        # The detector adapts to noise on its own account; a third of the quiet frames is enough for that.
        quiet = level < self._gate
        if (quiet and len(self._block) % 3) or not _process(self._detector, self._rate_hz, pcm, len(pcm) // 2) or quiet:
            return self._lasts()
        # The peak fades by 6 dB a second, so that a quieter speaker is heard after a loud one.
        peak = max(self._peak * 0.986, float(level))
        self._peak = peak
        if level < peak * self._range:
            return self._lasts()
        self._said += 1
        self._run += 1
        if self._run > 1:  # not a click
            self._left = min(_DROWNED_FRAMES, int((_CLEAR - peak / self._gate) * _DROWNED))
        return True

    def _lasts(self) -> bool:
        """Is this still the end of a word, below what can be heard of it?"""
        self._run = 0
        if self._left <= 0:
            return False
        self._left -= 1
        self._said += 1
        return True

    def _guess_floor(self) -> None:
        quiet = sorted(self._block)[len(self._block) // 5]
        self._set_gate(min(quiet, self._first_floor))

    def _finish_block(self) -> None:
        levels = sorted(self._block)
        low, high = levels[_LOW], levels[_HIGH]
        flat = high < low * _FLAT and high < levels[1] * _DIP  # the lowest one may be a lost packet
        steady = flat and high < self._flat * _SAME_LEVEL
        self._floors.append(low)
        del self._floors[:-_FLOOR_BLOCKS]
        if steady or (self._said < _MOSTLY_SPEECH and high < low * _WIDE):
            self._tops.append(high)
            del self._tops[:-_TOP_BLOCKS]
        floor = float(min(self._floors))
        noise = max(floor, float(high)) if steady else floor
        if self._tops:
            top = min(float(sorted(self._tops)[int(len(self._tops) * _TOP_SHARE)]), floor * _TOP_OVER_FLOOR)
            if len(self._tops) == _TOP_BLOCKS:
                top = min(top, max(top, self._peak * _UNDER_PEAK) / self._margin)
            noise = max(noise, top)
        self._set_gate(noise)
        self._flat = high if flat else 0
        self._block = []
        self._said = 0

    def _set_gate(self, noise: float) -> None:
        self._gate = max(noise * self._margin, self._least)


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
