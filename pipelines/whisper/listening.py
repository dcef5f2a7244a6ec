"""What can be said about samples without understanding them: is there anything, where are the pauses, where to cut.

Samples are signed 16-bit; positions are sample numbers.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.audio import Samples

FRAME_MS = 20
FAINTEST_DBFS = -55.0  # telephone speech has its frames at -45 to -15, a muted line below -65
SHORTEST_MS = 60  # of frames above that; less is a click
BACK_MS = 100  # a pause is known to a recogniser when it has lasted about so long
MARGIN_DB = 6.0  # a pause ends with the first frame that is so much louder than it was

Levels = npt.NDArray[np.float64]


def levels_dbfs(samples: Samples, rate_hz: int) -> Levels:
    """RMS of every whole frame of 20 ms, in dB relative to full scale; -100 for digital silence."""
    size = rate_hz * FRAME_MS // 1000
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64) / 32768
    power: Levels = np.mean(frames * frames, axis=1)
    levels: Levels = 10 * np.log10(np.maximum(power, 1e-10))
    return levels


def is_silent(samples: Samples, rate_hz: int) -> bool:
    """Nothing in it can be speech."""
    audible = np.count_nonzero(levels_dbfs(samples, rate_hz) > FAINTEST_DBFS)
    return bool(audible * FRAME_MS < SHORTEST_MS)


def pause_around(samples: Samples, at: int, rate_hz: int) -> tuple[int, int]:
    """Beginning and end of the quiet around `at`, where an utterance seemed to end; both `at` when there is none."""
    size = rate_hz * FRAME_MS // 1000
    levels = levels_dbfs(samples, rate_hz)
    frame = min(at // size, len(levels))
    if not frame:
        return at, at
    known = levels[max(frame - BACK_MS // FRAME_MS, 0) : frame]
    hush = float(np.median(known))
    if hush > float(np.percentile(levels, 90)) - 2 * MARGIN_DB:  # as loud as the speech: no pause
        return at, at
    loud = np.flatnonzero(levels > hush + MARGIN_DB)
    before, after = loud[loud < frame], loud[loud >= frame]
    begin = int(before[-1]) + 1 if len(before) else 0
    end = int(after[0]) if len(after) else len(levels)
    return begin * size, max(end * size, begin * size)


def windows(samples: Samples, rate_hz: int, longest_s: float) -> list[tuple[int, int]]:
    """Where to cut audio that is longer than the network's window: in the quietest place of each last third."""
    size = rate_hz * FRAME_MS // 1000
    longest = int(longest_s * 1000) // FRAME_MS  # frames
    levels = levels_dbfs(samples, rate_hz)
    cuts = [0]
    while len(levels) - cuts[-1] > longest:
        first, last = cuts[-1] + longest * 2 // 3, cuts[-1] + longest
        smooth = np.convolve(levels[first:last], np.ones(10) / 10, mode="same")  # 200 ms: not between two letters
        cuts.append(first + int(np.argmin(smooth)))
    edges = [cut * size for cut in cuts] + [len(samples)]
    return list(pairwise(edges))
