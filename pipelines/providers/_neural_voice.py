"""What voices that are networks have in common, inside their worker process: a session, the level, and word times.

A network makes a whole segment at once. Knows neither a model's inputs nor its phonemes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.providers._voice_child import Hearer
from pipelines.providers._voice_shaper import FIRST_PIECE_MS, PIECE_MS
from pipelines.worker_child import CannotWork

Floats = npt.NDArray[np.float32]

_LEVEL = 10 ** (-18 / 20)  # of active speech, which is what `Sound.gain_db` is to bring about
_ACTIVE = 10 ** (-26 / 20)  # of the loudest frame: softer ones are no measure of the level
_AUDIBLE = 10 ** (-40 / 20)  # of the loudest frame
_SILENT = 1e-4  # a segment without a louder frame has no speech
_BEFORE_MS, _AFTER_MS = 30, 60  # kept around what is audible: onsets and ends are soft
_PAUSE_MS = 200  # after a sentence; networks differ too much in theirs
_TOKEN = re.compile(r"\S+")


def load_session(path: str, threads: int) -> Any:
    """An onnxruntime session whose threads sleep between runs. Raises CannotWork, ImportError."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # media needs the cores meanwhile
    options.log_severity_level = 3
    if not Path(path).is_file():
        raise CannotWork(f"no file {path}")
    try:
        return onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise CannotWork(f"{path} cannot be loaded: {error}") from error


def utter(
    samples: Floats,
    rate_hz: int,
    segment: str,
    weigh: Callable[[str], int],
    edges: Sequence[float],
    hearer: Hearer,
) -> None:
    """Give a segment to its hearer: its words, then its audio, levelled and without the silence around it.

    `weigh`: how many phonemes a word has. `edges`: at which sample each phoneme of the segment begins, and where the
    last one ends; empty when the network does not say it: then phonemes are taken to last equally long.
    """
    levels = _levels(samples, rate_hz)
    if not len(levels) or levels.max() < _SILENT:
        return
    audible = np.flatnonzero(levels > levels.max() * _AUDIBLE)
    frame = rate_hz // 100
    spoken_from, spoken_to = audible[0] * frame, (audible[-1] + 1) * frame
    begin = max(spoken_from - rate_hz * _BEFORE_MS // 1000, 0)
    end = min(spoken_to + rate_hz * _AFTER_MS // 1000, len(samples))
    for character, sample in _words(segment, weigh, edges or (spoken_from, spoken_to)):
        hearer.position(character, float(max(min(sample, end) - begin, 0)) * 1000 / rate_hz)
    active = levels[levels > levels.max() * _ACTIVE]
    levelled = samples[begin:end] * (_LEVEL / float(np.sqrt((active**2).mean())))
    pause = np.zeros(0 if segment[-1:].isalnum() else rate_hz * _PAUSE_MS // 1000, np.int16)
    pcm = np.concatenate([np.clip(levelled * 32767, -32768, 32767).astype(np.int16), pause]).tobytes()
    _hand_over(pcm, 2 * rate_hz, hearer)


def _hand_over(pcm: bytes, bytes_per_s: int, hearer: Hearer) -> None:
    """In pieces, so that speech begins before all of it is shaped, and ends when nobody listens any more."""
    start, piece = 0, bytes_per_s * FIRST_PIECE_MS // 2000 * 2
    while start < len(pcm) and hearer.audio(pcm[start : start + piece]):
        start, piece = start + piece, bytes_per_s * PIECE_MS // 2000 * 2


def _words(segment: str, weigh: Callable[[str], int], edges: Sequence[float]) -> list[tuple[int, float]]:
    """Each word's first character and the sample at which it begins. What has no phonemes is no word."""
    weights = [(match.start(), weigh(match.group())) for match in _TOKEN.finditer(segment)]
    whole = sum(weight for _, weight in weights)
    found, before = [], 0
    for character, weight in weights:
        if weight:
            place = before / whole * (len(edges) - 1)
            found.append((character, float(np.interp(place, np.arange(len(edges)), edges))))
        before += weight
    return found


def _levels(samples: Floats, rate_hz: int) -> Floats:
    """Root mean square of every 10 ms."""
    frame = rate_hz // 100
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    levels: Floats = np.sqrt((frames**2).mean(axis=1))
    return levels
