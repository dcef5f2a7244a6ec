"""What ElevenLabs calls an audio format, and whole samples of it in the format that a call wants."""

from __future__ import annotations

import base64
import binascii

from pipelines.audio import AudioFormat, Codec, Transcoder

# `output_format` and `audio_format` of the API reference, without compressed ones and without pcm_44100, which is not
# in every plan. The socket has no PCM between 24 and 44.1 kHz.
PCM_RATES_HZ = (8000, 16000, 22050, 24000)
COMPANDED = {Codec.ULAW: "ulaw", Codec.ALAW: "alaw"}


class Wire:
    """One stream from the provider. `name` is what to ask for: the call's own format wherever it is offered."""

    def __init__(self, target: AudioFormat) -> None:
        self._transcoder: Transcoder | None = None
        if target.codec in COMPANDED and target.rate_hz == 8000:
            native, self.name = target, f"{COMPANDED[target.codec]}_8000"
        else:
            rate_hz = next((rate for rate in PCM_RATES_HZ if rate >= target.rate_hz), PCM_RATES_HZ[-1])
            native, self.name = AudioFormat(Codec.PCM16, rate_hz), f"pcm_{rate_hz}"
            if native != target:
                self._transcoder = Transcoder(rate_hz, target)
        self._native = native
        self._half = b""  # of a sample that came in two pieces
        self._received_bytes = 0

    @property
    def received_ms(self) -> float:
        """How long what has come so far lasts."""
        return self._native.duration_ms(self._received_bytes)

    def feed(self, encoded: str) -> bytes:
        """Base64 to samples. Raises ValueError when it is none."""
        try:
            audio = self._half + base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError("no base64") from error
        whole = len(audio) - len(audio) % self._native.bytes_per_sample
        self._received_bytes += whole
        audio, self._half = audio[:whole], audio[whole:]
        return self._transcoder.feed(audio) if self._transcoder else audio

    def end(self) -> bytes:
        """What a resampler still holds."""
        return self._transcoder.feed(b"", last=True) if self._transcoder else b""
