"""Estimates `pipelines/speech/data/telephone.npz`: `python -m benchmarks.telephone_adaptation [--leave-out VOICE]`.

Single-pass retraining: every utterance is aligned in its wideband form; which Gaussians a frame belongs to is decided
there, and where the same frame lies after the telephone (clean, and with noise) says how far each Gaussian moves.
Sentences come from the shipped grammars, never from the benchmark's. `--leave-out` shows what an unseen voice gains.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pocketsphinx
import soxr

from benchmarks.callers import SPEECH_RMS, Signal, heard, say, telephone, voices
from pipelines.speech.acoustics import SHAPE, ParameterFile
from pipelines.speech.build import acoustic_model
from pipelines.speech.corpus import grammar
from pipelines.speech.telephone import MODEL_HZ, WideBand
from pipelines.stages import Expect

Floats = npt.NDArray[np.float64]
Phones = list[tuple[str, int, int]]  # name, first frame, frames

_SENTENCES = {Expect.ANYTHING: 110}
_OTHER_SENTENCES = 15
_WORDS = range(3, 15)
_SNR_DB = (18.0, 30.0)
_MEAN_PRIOR = 20.0  # frames that the predicted shift of a Gaussian counts for
_PHONE_PRIOR = 200.0
_VARIANCE_PRIOR = 1000.0
_GROWTH = (0.5, 4.0)
_GROWTH_POWER = 0.5  # half of it, in the logarithm: the rest is the voices' sameness
_FLOOR = 1e-4


class FrontEnd:
    """Cepstra as the engine computes them, through its feature log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL", mfclogdir=str(folder))
        self._decoder.set_align_text("yes")  # a search has to be there; it is not used

    def cepstra(self, pcm: bytes) -> Floats:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, no_search=True, full_utt=True)
        self._decoder.end_utt()
        (log,) = self._folder.iterdir()
        values = np.fromfile(log, ">f4")[1:]  # a count stands before them
        log.unlink()
        return values.reshape(-1, SHAPE[3]).astype(np.float64)


def features(cepstra: Floats) -> Floats:
    """(frames, stream, value): normalised cepstra, deltas and accelerations as in the engine's "1s_c_d_dd"."""
    cepstra = cepstra - cepstra.mean(0)
    p, n = np.pad(cepstra, ((3, 3), (0, 0)), "edge"), len(cepstra)
    delta = p[5 : 5 + n] - p[1 : 1 + n]
    return np.stack([cepstra, delta, (p[6 : 6 + n] - p[2 : 2 + n]) - (p[4 : 4 + n] - p[:n])], 1)


class Aligner:
    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL", fwdflat=False, bestpath=False)

    def phones(self, text: str, wide: bytes) -> Phones | None:
        """None when the speech does not fit the text."""
        self._decoder.set_align_text(text)
        self._hear(wide)
        if self._decoder.hyp() is None:
            return None
        self._decoder.set_alignment()  # from words to phones, in a second pass (which has no hypothesis to ask for)
        self._hear(wide)
        return [(p.name, p.start, p.duration) for p in self._decoder.get_alignment().phones()]

    def _hear(self, wide: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(wide, full_utt=True)
        self._decoder.end_utt()


def wideband(speech: Signal, rate_hz: int, random: np.random.Generator) -> bytes:
    """As `telephone` frames it, without the telephone."""
    wide = soxr.resample(speech, rate_hz, MODEL_HZ, quality="HQ")
    wide *= SPEECH_RMS / np.sqrt(np.mean(wide[np.abs(wide) > 0.02 * np.abs(wide).max()] ** 2))
    wide = np.pad(wide, (MODEL_HZ // 5, MODEL_HZ * 2 // 5))
    dither = random.normal(0, 2, len(wide))
    pcm: bytes = np.clip(wide + dither, -32768, 32767).astype(np.int16).tobytes()
    return pcm


def examples(voice: str, folder: Path) -> Iterator[tuple[Phones, Floats, list[Floats]]]:
    """(phones, wideband cepstra, telephone cepstra clean and noisy) of what one voice says."""
    seed = sum(map(ord, voice))
    random = np.random.default_rng(seed)
    aligner, front_end, drawn = Aligner(), FrontEnd(folder), grammar(())
    for expect in Expect:
        for words in drawn.draw(f"say_{expect}", _SENTENCES.get(expect, _OTHER_SENTENCES), seed):
            if len(words) not in _WORDS:
                continue
            spoken = " ".join(words).replace("a.m.", "a m").replace("p.m.", "p m").replace(".", "")
            speech, rate_hz = say(spoken, voice)
            wide = wideband(speech, rate_hz, random)
            try:
                phones = aligner.phones(" ".join(words), wide)
            except RuntimeError:  # the dictionary lacks a word
                continue
            if phones is None:
                continue
            noise = random.uniform(*_SNR_DB)
            narrow = [telephone(speech, rate_hz, snr, seed=len(wide)) for snr in (None, noise)]
            heard_as = [WideBand(8000).feed(heard(ulaw), last=True) for ulaw in narrow]
            yield phones, front_end.cepstra(wide), [front_end.cepstra(pcm) for pcm in heard_as]


def phone_names() -> list[str]:
    """Of the codebooks, in order: the first strings of the model definition."""
    table = (acoustic_model() / "mdef").read_bytes()
    return [name.decode() for name in table[table.index(b"+NSN+\0") :].split(b"\0", SHAPE[0])[: SHAPE[0]]]


class Statistics:
    """Occupancy, first and second moments of each Gaussian, wideband and telephone."""

    def __init__(self) -> None:
        model = acoustic_model()
        self.means = ParameterFile(model / "means").values.astype(np.float64)
        self._variances = np.maximum(ParameterFile(model / "variances").values.astype(np.float64), _FLOOR)
        self._weights = -0.5 * np.log(self._variances).sum(-1)
        self._names = phone_names()
        self.count = np.zeros(SHAPE[:3])
        self.wide, self.narrow, self.wide2, self.narrow2 = (np.zeros(SHAPE) for _ in range(4))

    def add(self, phones: Phones, wide: Floats, heard_as: list[Floats]) -> None:
        w, narrow = features(wide), [features(cepstra[: len(wide)]) for cepstra in heard_as]
        for name, start, frames in phones:
            book = self._names.index(name)
            for stream in range(SHAPE[1]):
                x = w[start : start + frames, stream]
                share = self._responsibilities(x, book, stream)
                for form in narrow:
                    self._accumulate(book, stream, share, x, form[start : start + frames, stream])

    def _responsibilities(self, x: Floats, book: int, stream: int) -> Floats:
        away = (x[:, None] - self.means[book, stream]) ** 2 / self._variances[book, stream]
        score = self._weights[book, stream] - 0.5 * away.sum(-1)
        share = np.exp(score - score.max(1, keepdims=True))
        return np.asarray(share / share.sum(1, keepdims=True))

    def _accumulate(self, book: int, stream: int, share: Floats, x: Floats, y: Floats) -> None:
        n = min(len(x), len(y))
        share, x, y = share[:n].T, x[:n], y[:n]
        self.count[book, stream] += share.sum(1)
        for total, values in ((self.wide, x), (self.narrow, y), (self.wide2, x**2), (self.narrow2, y**2)):
            total[book, stream] += share @ values

    def shift(self) -> Floats:
        """Of each mean: its own where it was heard often, else its phone's, else that of a map common to all."""
        shift = np.zeros(SHAPE)
        for stream in range(SHAPE[1]):
            count = self.count[:, stream].reshape(-1, 1)
            often = count[:, 0] > 5
            x, y = (
                (t[:, stream].reshape(-1, SHAPE[3]) / np.maximum(count, 1e-9))[often] for t in (self.wide, self.narrow)
            )
            x1 = np.c_[x, np.ones(len(x))]
            common = np.linalg.solve(x1.T @ (x1 * count[often]) + 1e-3 * np.eye(x1.shape[1]), x1.T @ (y * count[often]))
            means = self.means[:, stream].reshape(-1, SHAPE[3])
            base = (np.c_[means, np.ones(len(means))] @ common - means).reshape(SHAPE[0], *SHAPE[2:])
            moved = self.narrow[:, stream] - self.wide[:, stream]
            occupied = self.count[:, stream]
            left = (moved.sum(1) - np.einsum("kd,kdi->ki", occupied, base)) / (occupied.sum(1)[:, None] + _PHONE_PRIOR)
            predicted = base + left[:, None]
            shift[:, stream] = (moved + _MEAN_PRIOR * predicted) / (occupied[..., None] + _MEAN_PRIOR)
        return shift

    def growth(self) -> Floats:
        """Of the variances of each phone and stream."""
        count = self.count[..., None]
        safe = np.maximum(count, 1e-9)
        wide, narrow = (
            (count * np.maximum(second / safe - (first / safe) ** 2, 1e-3)).sum(2)
            for first, second in ((self.wide, self.wide2), (self.narrow, self.narrow2))
        )
        total = count.sum(2)
        common = narrow.sum(0) / wide.sum(0)
        wide = np.maximum(wide, 1e-3 * np.maximum(total, 1))
        ratio = (narrow + _VARIANCE_PRIOR * common * wide / np.maximum(total, 1)) / (
            wide + _VARIANCE_PRIOR * wide / np.maximum(total, 1)
        )
        return np.asarray(np.clip(ratio, *_GROWTH) ** _GROWTH_POWER)[:, :, None, :]


def save(statistics: Statistics, path: Path) -> None:
    shift = statistics.shift()
    unit = np.abs(shift).max(axis=(0, 2), keepdims=True) / 127
    arrays: dict[str, Any] = {
        "shift": np.round(shift / unit).astype(np.int8),
        "shift_unit": unit.astype(np.float32),
        "growth": statistics.growth().astype(np.float32),
    }
    np.savez_compressed(path, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leave-out", action="append", default=[], metavar="VOICE", help="such as flite/slt")
    parser.add_argument("--out", type=Path, default=Path("pipelines/speech/data/telephone.npz"))
    arguments = parser.parse_args()
    statistics = Statistics()
    with tempfile.TemporaryDirectory() as folder:
        for number, voice in enumerate(voice for voice in voices() if voice not in arguments.leave_out):
            for phones, wide, heard_as in examples(voice, Path(folder) / str(number)):
                statistics.add(phones, wide, heard_as)
            print(voice, round(statistics.count.sum()), flush=True)
    save(statistics, arguments.out)


if __name__ == "__main__":
    main()
