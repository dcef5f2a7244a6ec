"""Synthetic callers: the voices installed here, spoken text, and what a telephone leaves of it.

flite and festival are used where they are installed, espeak-ng always (from the package registry). No festival
voice took part in adapting the recogniser: they are its unseen callers. Knows no recogniser.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import wave
from functools import cache

import espeakng_loader
import numpy as np
import numpy.typing as npt
import soxr

from pipelines.audio import Codec, from_pcm16, to_pcm16

FLITE = ("slt", "rms", "awb", "kal16")
ESPEAK = ("en-us", "en", "en-us+f3", "en-us+m3")
FESTIVAL = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")  # Debian: festvox-{kallpc16k,kdlpc16k,us-slt-hts}
TELEPHONE_HZ = 8000
SPEECH_RMS = 2500.0  # about -22 dB of full scale, as telephone networks aim for
_BEFORE_S, _AFTER_S = 0.2, 0.4  # silence around an utterance

Signal = npt.NDArray[np.float64]

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def voices() -> list[str]:
    """Names as "flite/slt"; those of flite only where it is installed."""
    flite = [f"flite/{name}" for name in FLITE] if shutil.which("flite") else []
    festival = [f"festival/{name}" for name in FESTIVAL] if shutil.which("text2wave") else []
    return flite + festival + [f"espeak/{name}" for name in ESPEAK]


def say(text: str, voice: str) -> tuple[Signal, int]:
    """(samples, rate) of a clean recording."""
    engine, _, name = voice.partition("/")
    if engine == "espeak":
        return _espeak(text, name)
    return _flite(text, name) if engine == "flite" else _festival(text, name)


def _flite(text: str, voice: str) -> tuple[Signal, int]:
    return _written_by(["flite", "-voice", voice, "-t", text, "-o"])


def _festival(text: str, voice: str) -> tuple[Signal, int]:
    return _written_by(["text2wave", "-eval", f"(voice_{voice})", "-", "-o"], text)


def _written_by(command: list[str], text: str = "") -> tuple[Signal, int]:
    """The WAV file that a program makes of a text; the file's name is its last argument."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as sound:
        subprocess.run([*command, sound.name], check=True, capture_output=True, input=text.encode())
        with wave.open(sound.name) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            return samples.astype(np.float64), file.getframerate()


@cache
def _espeak_library() -> tuple[ctypes.CDLL, int]:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    return library, library.espeak_Initialize(1, 0, espeakng_loader.get_data_path().encode(), 0)


def _espeak(text: str, voice: str) -> tuple[Signal, int]:
    library, rate_hz = _espeak_library()
    pieces: list[npt.NDArray[np.int16]] = []

    def take(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}")
    spoken = text.encode()
    library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    return np.concatenate(pieces).astype(np.float64), rate_hz


def telephone(speech: Signal, rate_hz: int, snr_db: float | None = None, seed: int = 0) -> bytes:
    """µ-law at 8 kHz: 300 to 3400 Hz, at telephone level, with white noise if asked for."""
    narrow = soxr.resample(speech, rate_hz, TELEPHONE_HZ, quality="HQ")
    hz = np.fft.rfftfreq(len(narrow), 1 / TELEPHONE_HZ)
    band = np.clip((hz - 200) / 100, 0, 1) * np.clip((3500 - hz) / 150, 0, 1)
    narrow = np.fft.irfft(np.fft.rfft(narrow) * band, len(narrow))
    loud = narrow[np.abs(narrow) > 0.02 * np.abs(narrow).max()]
    narrow *= SPEECH_RMS / np.sqrt(np.mean(loud**2))
    narrow = np.pad(narrow, (int(_BEFORE_S * TELEPHONE_HZ), int(_AFTER_S * TELEPHONE_HZ)))
    if snr_db is not None:
        narrow = narrow + np.random.default_rng(seed).normal(0, SPEECH_RMS / 10 ** (snr_db / 20), len(narrow))
    pcm: bytes = np.clip(narrow, -32768, 32767).astype(np.int16).tobytes()
    return from_pcm16(pcm, Codec.ULAW)


def heard(ulaw: bytes) -> bytes:
    """What a session is fed with."""
    return to_pcm16(ulaw, Codec.ULAW)
