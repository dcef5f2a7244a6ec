"""Whisper models of a few kilobytes, made once per test run, and audio for them."""

from __future__ import annotations

import atexit
import shutil
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from benchmarks.whisper_weights import SMALLEST, Size, write_model
from pipelines.whisper import weights
from pipelines.whisper.decoder import Decoder, Heard, Utterance
from pipelines.whisper.options import FasterWhisperOptions

RATE_HZ = 8000


@cache
def directory(size: Size = SMALLEST, says: str = "") -> Path:
    folder = Path(mkdtemp(prefix="whisper-"))
    atexit.register(shutil.rmtree, folder)
    return write_model(folder / "model", size, says=says)


def tone(seconds: float, hz: float = 440.0, rate_hz: int = RATE_HZ) -> bytes:
    wave = np.sin(np.arange(round(seconds * rate_hz)) * 2 * np.pi * hz / rate_hz)
    return bytes((wave * 8000).astype(np.int16).tobytes())


def quiet(seconds: float, rate_hz: int = RATE_HZ) -> bytes:
    return bytes(round(seconds * rate_hz) * 2)


class Watched(Decoder):
    """The real one, with a record of what it was given and a gate before it."""

    def __init__(self, size: Size = SMALLEST, says: str = "", **options: Any) -> None:
        wanted = FasterWhisperOptions(
            model=str(directory(size, says)), device="cpu", compute_type="float32", cpu_threads=1, **options
        )
        super().__init__(weights.load(wanted), wanted)
        self.options = wanted
        self.batches: list[list[Utterance]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun: Callable[[], object] = lambda: None  # called in the thread

    def run(self, utterances: Sequence[Utterance]) -> list[Heard]:
        self.batches.append(list(utterances))
        self.begun()
        assert self.gate.wait(10)
        return super().run(utterances)
