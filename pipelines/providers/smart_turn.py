"""A network that hears in a caller's last eight seconds whether the turn is over: any ONNX file of Smart Turn's form.

Its input is `input_features`, float32 of shape (batch, 80, 800): Whisper's log-mel features of 8 s at 16 kHz, the
newest sample last, silence in front; its output one probability per batch entry. Weights are not shipped.
"""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import soxr
from msgspec import Meta

from pipelines.errors import EngineMissing, Remedy, StageError
from pipelines.providers._log_mel import BANDS, RATE_HZ, Floats, log_mel
from pipelines.registry import ProviderSpec

HEARD_S = 8
FRAMES = HEARD_S * 100
NAME = "smart-turn"


class SmartTurnOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str  # path of the ONNX file
    max_waiting: Annotated[int, Meta(ge=1, le=1000)] = 8  # calls in the queue before the next one is refused


def features(pcm: bytes, rate_hz: int) -> Floats:
    """What the network is given, of shape (1, 80, 800), from signed 16-bit samples; only the last 8 s count."""
    samples = np.frombuffer(pcm, np.int16)[-HEARD_S * rate_hz :].astype(np.float32) / 32768
    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, rate_hz, RATE_HZ)[-HEARD_S * RATE_HZ :]
    padded = np.concatenate([np.zeros(HEARD_S * RATE_HZ - len(samples), np.float32), samples])
    return log_mel(padded)[np.newaxis]


class SmartTurn:
    """A `TurnDetector` (see `pipelines.stages`): one session and one thread for all calls of the process."""

    def __init__(self, options: SmartTurnOptions) -> None:
        self._session = _session(options.model)
        self._input: str = self._session.get_inputs()[0].name
        self._thread = ThreadPoolExecutor(1, NAME)
        self._max_waiting = options.max_waiting
        self._waiting = 0

    async def probability(self, pcm: bytes, rate_hz: int) -> float:
        if self._waiting >= self._max_waiting:
            raise StageError(f"{self._waiting} calls are waiting already", stage="turn", provider=NAME)
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._run, pcm, rate_hz)
        self._waiting += 1
        work.add_done_callback(self._done)
        return await work

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: object) -> None:
        self._waiting -= 1

    def _run(self, pcm: bytes, rate_hz: int) -> float:
        try:
            output = self._session.run(None, {self._input: features(pcm, rate_hz)})[0]
        except Exception as error:  # onnxruntime's errors share no base class
            raise StageError(f"the network failed: {error}", stage="turn", provider=NAME) from error
        probability = float(np.ravel(output)[-1])
        if not 0.0 <= probability <= 1.0:
            raise StageError(f"{probability} is no probability", stage="turn", provider=NAME, remedy=Remedy.SWITCH)
        return probability


def _session(model: str) -> Any:
    if not Path(model).is_file():
        raise _missing(f"no file {model} (option `model`)")
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise _missing("onnxruntime is not installed: pip install 'voicecore[neural]'") from error
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session: Any = onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise _missing(f"{model} cannot be loaded: {error}") from error
    shapes = [one.shape for one in session.get_inputs()]
    if len(shapes) != 1 or len(shapes[0]) != 3 or list(shapes[0][1:]) != [BANDS, FRAMES]:
        raise _missing(f"{model} takes {shapes}, not one input of (batch, {BANDS}, {FRAMES})")
    return session


def _missing(reason: str) -> EngineMissing:
    return EngineMissing(reason, stage="turn", provider=NAME, remedy=Remedy.SWITCH)


async def _turn(options: SmartTurnOptions) -> SmartTurn:
    return await asyncio.to_thread(SmartTurn, options)


PROVIDER = ProviderSpec(name=NAME, options=SmartTurnOptions, turn=_turn)
