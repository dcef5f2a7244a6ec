"""How well voice detectors tell a caller from everything else on a telephone line: `python -m benchmarks.vad`.

Callers of several voices speak with pauses, against noise, music, babble, keys, coughs and the echo of our own voice;
the truth is computed from the clean recording. Starts are those of the turn machine with its default policy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from itertools import cycle, islice, pairwise
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import webrtcvad

from benchmarks import callers, sounds
from benchmarks.callers import TELEPHONE_HZ, Signal
from config.schema import TurnPolicy
from pipelines.audio import FRAME_MS
from pipelines.machines.boundaries import SpeechStarted
from pipelines.machines.endpointing import Endpointer
from pipelines.registry import make
from pipelines.stages import Vad, VadStream

Flags = npt.NDArray[np.bool_]

FRAME = TELEPHONE_HZ * FRAME_MS // 1000
BRIDGE = 200 // FRAME_MS  # a pause inside a word or between two is no false alarm
SLACK = 40 // FRAME_MS  # nor is this much around speech
ONSET_MS = 300  # a start this much before speech still belongs to it
ACTIVE_DB = 26.0  # speech is what lies at most this far below the utterance's level
ROOM_RMS = 8.0

# Other voices and other sentences were used for choosing the settings (`--split dev`).
SPLITS = {
    "dev": (("flite/slt", "flite/kal16", "espeak/en-us", "espeak/en-us+f3"), slice(0, 6)),
    "test": (
        ("flite/awb", "flite/rms", "festival/ked_diphone", "festival/cmu_us_slt_arctic_hts", "espeak/en-us+m3"),
        slice(6, 12),
    ),
}
SENTENCES = (
    "I would like to book an appointment for tomorrow morning.",
    "Yes please.",
    "My name is Susan Miller.",
    "No.",
    "Do you have anything free on Thursday at half past three?",
    "It is five five five, zero one four two.",
    "Can I bring my dog, or is that a problem?",
    "Okay.",
    "Sixteen Hill Street, second floor.",
    "That sounds perfect, thank you very much.",
    "Nope, the other one.",
    "How much is a haircut these days?",
)
AGENT = "Thank you for calling. Our opening hours are Monday to Friday from nine to six. What day would suit you best?"


class Recording(msgspec.Struct, frozen=True):
    """One caller: clean samples, and which frames are speech, utterance by utterance (first frame, frame after)."""

    speech: Signal
    truth: Flags
    spans: list[tuple[int, int]]


def spoken(text: str, voice: str) -> Signal:
    ulaw = callers.telephone(*callers.say(text, voice))
    return np.frombuffer(callers.heard(ulaw), np.int16).astype(np.float64)


def record(voice: str, texts: tuple[str, ...], seed: int) -> Recording:
    """Two seconds of nothing, then each text with 1 to 2.5 s after it."""
    random = np.random.default_rng(seed)
    pieces = [np.zeros(2 * TELEPHONE_HZ)]
    for text in texts:
        pieces += [spoken(text, voice), np.zeros(int(random.uniform(1, 2.5) * 50) * FRAME)]
        pieces[-2] = pieces[-2][: len(pieces[-2]) // FRAME * FRAME]
    speech = np.concatenate(pieces)
    loud = callers.SPEECH_RMS * 10 ** (-ACTIVE_DB / 20)
    block = FRAME // 2
    levels = np.sqrt((speech.reshape(-1, block) ** 2).mean(axis=1))
    truth = (levels > loud).reshape(-1, 2).any(axis=1)
    spans, at = [], 0
    for piece in pieces:
        inside = np.flatnonzero(truth[at : at + len(piece) // FRAME])
        if len(inside):
            spans.append((at + int(inside[0]), at + int(inside[-1]) + 1))
        at += len(piece) // FRAME
    return Recording(speech, truth, spans)


# --- what disturbs --------------------------------------------------------------------------------

Disturbance = Callable[[Recording, int], Signal]


def steady(sound: Callable[[float, int], Signal], snr_db: float) -> Disturbance:
    """The same all the time, so far below the caller."""
    level = callers.SPEECH_RMS / 10 ** (snr_db / 20)
    return lambda recording, seed: sound(len(recording.speech) / TELEPHONE_HZ, seed) * level


def echo(below_db: float, voice: str = "espeak/en") -> Disturbance:
    """Our own voice comes back 120 ms late, while the caller is silent."""
    agent = spoken(AGENT, voice) / 10 ** (below_db / 20)

    def back(recording: Recording, _seed: int) -> Signal:
        samples = np.zeros(len(recording.speech))
        ends = [0, *(end for _, end in recording.spans)]
        starts = [*(start for start, _ in recording.spans), len(recording.truth)]
        for end, start in zip(ends, starts, strict=True):
            first, last = end * FRAME + 4 * FRAME + TELEPHONE_HZ * 120 // 1000, start * FRAME - 2 * FRAME
            if last > first:
                samples[first:last] = np.resize(agent, last - first)
        return samples

    return back


def _babble(voices: tuple[str, ...]) -> Callable[[float, int], Signal]:
    speakers = [np.concatenate([spoken(text, voice) for text in SENTENCES[::3]]) for voice in voices]
    dense = [speaker[np.abs(speaker) > 30] for speaker in speakers]
    return lambda seconds, seed: sounds.babble(dense, seconds, seed)


def disturbances(voices: tuple[str, ...]) -> dict[str, Disturbance]:
    everybody = _babble(tuple(islice(cycle(voices), 6)))
    found: dict[str, Disturbance] = {"none": lambda recording, _seed: np.zeros(len(recording.speech))}
    for name, sound, ratios in (
        ("white noise", sounds.white, (20, 10, 5)),
        ("pink noise", sounds.pink, (20, 10, 5)),
        ("music", sounds.music, (20, 10)),
        ("babble of six", everybody, (20, 10)),
        ("keys", sounds.taps, (20, 10)),
        ("coughs", sounds.coughs, (10,)),
    ):
        found |= {f"{name}, {snr_db} dB": steady(sound, snr_db) for snr_db in ratios}
    return found | {f"echo, {below_db} dB": echo(below_db) for below_db in (30, 20)}


# --- detectors ------------------------------------------------------------------------------------


class _Alone:
    """The WebRTC detector without anything around it."""

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(2)

    def feed(self, pcm: bytes) -> bool:
        return bool(self._vad.is_speech(pcm, TELEPHONE_HZ))


async def detectors(options: dict[str, Any]) -> dict[str, Callable[[], VadStream]]:
    first = cast(Vad, await make("vad", "webrtc", {}, source="benchmark"))
    both = cast(Vad, await make("vad", "silero", {"batched": False} | options, source="benchmark"))
    return {
        "webrtcvad alone": _Alone,
        "first stage": lambda: first.open(TELEPHONE_HZ),
        "two stages": lambda: both.open(TELEPHONE_HZ),
    }


# --- scoring --------------------------------------------------------------------------------------


class Tally:
    """Decisions against the truth, over recordings."""

    def __init__(self) -> None:
        self.speech = self.missed = self.silence = self.false = 0
        self.false_starts = self.unnoticed = self.utterances = 0
        self.starts_ms: list[float] = []
        self.ends_ms: list[float] = []

    def add(self, recording: Recording, said: Flags, starts: list[tuple[int, int]]) -> None:
        allowed = _bridged(recording.truth)
        self.speech += int(recording.truth.sum())
        self.missed += int((recording.truth & ~said).sum())
        self.silence += int((~allowed).sum())
        self.false += int((said & ~allowed).sum())
        near = [(start - ONSET_MS // FRAME_MS, end) for start, end in recording.spans]
        self.false_starts += sum(not any(a <= at < b for a, b in near) for at, _ in starts)
        borders = [*(start for start, _ in recording.spans[1:]), len(said)]
        for (start, end), border in zip(recording.spans, borders, strict=True):
            self.utterances += 1
            noticed = [known for at, known in starts if start - ONSET_MS // FRAME_MS <= at < end]
            if not noticed:
                self.unnoticed += 1
                continue
            self.starts_ms.append(float(noticed[0] + 1 - start) * FRAME_MS)
            # The end is the last frame called speech before a pause that the turn machine would take for one.
            last = int(np.flatnonzero(said[:end])[-1]) + 1
            while (later := np.flatnonzero(said[last : min(last + 7, border)])).size:
                last += int(later[-1]) + 1
            self.ends_ms.append(float(last - end) * FRAME_MS)

    def figures(self) -> dict[str, float]:
        def at(values: list[float], percent: float) -> float:
            return round(float(np.percentile(values, percent)), 0) if values else float("nan")

        return {
            "miss_pct": round(100 * self.missed / self.speech, 1),
            "false_pct": round(100 * self.false / self.silence, 1),
            "false_starts_per_min": round(self.false_starts / (self.silence * FRAME_MS / 60000), 1),
            "unnoticed_pct": round(100 * self.unnoticed / self.utterances, 1),
            "start_p50_ms": at(self.starts_ms, 50),
            "start_p95_ms": at(self.starts_ms, 95),
            "end_p50_ms": at(self.ends_ms, 50),
            "end_p95_ms": at([abs(end) for end in self.ends_ms], 95),
        }


def _bridged(truth: Flags) -> Flags:
    allowed = truth.copy()
    where = np.flatnonzero(truth)
    for before, after in pairwise(where):
        allowed[before:after] |= after - before <= BRIDGE
    padded = np.pad(allowed, SLACK)
    return np.any([padded[shift : shift + len(truth)] for shift in range(2 * SLACK + 1)], axis=0)


def decide(stream: VadStream, samples: Signal) -> tuple[Flags, list[tuple[int, int]]]:
    """What the detector says of every frame; where somebody starts, for the turn machine, and when it knows."""
    pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
    endpointer = Endpointer(TurnPolicy())
    said, starts = [], []
    for number in range(len(samples) // FRAME):
        speech = stream.feed(pcm[number * FRAME * 2 : (number + 1) * FRAME * 2])
        said.append(speech)
        boundary = endpointer.feed(number * FRAME_MS, (number + 1) * FRAME_MS, speech)
        if isinstance(boundary, SpeechStarted):
            starts.append((int(boundary.at_ms) // FRAME_MS, number))
    return np.array(said), starts


def measure(split: str, options: dict[str, Any], quick: bool = False) -> dict[str, dict[str, dict[str, float]]]:
    """disturbance → detector → figures."""
    names, texts = SPLITS[split]
    voices = tuple(name for name in names if name in callers.voices())
    recordings = [record(voice, SENTENCES[texts], seed) for seed, voice in enumerate(voices[: 2 if quick else None])]
    opened = asyncio.run(detectors(options))
    result: dict[str, dict[str, dict[str, float]]] = {}
    for name, disturb in disturbances(voices).items():
        tallies = {detector: Tally() for detector in opened}
        for seed, recording in enumerate(recordings):
            room = np.random.default_rng(seed).normal(0, ROOM_RMS, len(recording.speech))
            samples = recording.speech + room + disturb(recording, seed)
            for detector, tally in tallies.items():
                tally.add(recording, *decide(opened[detector](), samples))
        result[name] = {detector: tally.figures() for detector, tally in tallies.items()}
    return result


def table(result: dict[str, dict[str, dict[str, float]]]) -> str:
    lines: list[str] = []
    for disturbance, by_detector in result.items():
        for detector, figures in by_detector.items():
            if not lines:
                lines += [f"| disturbance | detector | {' | '.join(figures)} |", "|---" * (len(figures) + 2) + "|"]
            lines.append(f"| {disturbance} | {detector} | {' | '.join(str(f) for f in figures.values())} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="as data")
    parser.add_argument("--quick", action="store_true", help="two voices")
    parser.add_argument("--split", choices=tuple(SPLITS), default="test", help="which voices and sentences")
    parser.add_argument("--options", default="{}", help="of the provider `silero`, as JSON")
    arguments = parser.parse_args()
    result = measure(arguments.split, json.loads(arguments.options), arguments.quick)
    print(json.dumps({"split": arguments.split, "figures": result}, indent=1) if arguments.json else table(result))


if __name__ == "__main__":
    main()
