"""Requests per second of the shared, batching Whisper engine against one request at a time behind a lock.

The network has the dimensions of OpenAI's `tiny` and weights that say one sentence whatever they hear: every
multiplication is done, nothing is understood. Both ways decode alike (greedy, no timestamps, the same tokens).

    python -m benchmarks.whisper --json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faster_whisper
import numpy as np
import soxr

from benchmarks.whisper_weights import TINY, write_model
from pipelines.providers.faster_whisper import CPU_BATCH, Engine, make
from pipelines.stages import SttOptions
from pipelines.whisper.options import FasterWhisperOptions

SENTENCE = "I would like to book a table for four people on Friday please."
RATE_HZ = 8000
SHORT_WINDOW_S = 5

Ask = Callable[[bytes], Awaitable[str]]


def speech(seconds: float, number: int) -> bytes:
    """Noise with the loudness of speech, another one for each call."""
    noise = np.random.default_rng(number).standard_normal(round(seconds * RATE_HZ)) * 2000
    return bytes(noise.astype(np.int16).tobytes())


def one_at_a_time(model: faster_whisper.WhisperModel) -> Ask:
    lock = asyncio.Lock()

    def run(pcm: bytes) -> str:
        samples = soxr.resample(np.frombuffer(pcm, np.int16).astype(np.float32) / 32768, RATE_HZ, 16000)
        segments, _ = model.transcribe(
            samples,
            language="en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return "".join(segment.text for segment in segments).strip()

    async def ask(pcm: bytes) -> str:
        async with lock:
            return await asyncio.to_thread(run, pcm)

    return ask


def shared(engine: Engine) -> Ask:
    async def ask(pcm: bytes) -> str:
        session = await engine.open(SttOptions(rate_hz=RATE_HZ))
        session.begin()
        session.feed(pcm)
        transcript = await session.flush()
        await session.close()
        return transcript.text

    return ask


async def timed(ask: Ask, calls: int, rounds: int, seconds: float) -> dict[str, float]:
    """Every call asks again as soon as it has its answer."""
    waits: list[float] = []

    async def call(number: int) -> None:
        for turn in range(rounds):
            pcm = speech(seconds, number * 100 + turn)
            began = time.perf_counter()
            assert await ask(pcm) == SENTENCE
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call(number) for number in range(calls)))
    return {
        "per_second": calls * rounds / (time.perf_counter() - began),
        "wait_p50_ms": statistics.median(waits) * 1000,
        "wait_max_ms": max(waits) * 1000,
    }


async def measure(runs: int = 3, seconds: float = 3.0, compute_type: str = "int8", most: int = 0) -> dict[str, Any]:
    """Medians over `runs`, by concurrent calls, and the speed-ups at 16."""
    with tempfile.TemporaryDirectory() as folder:
        directory = str(write_model(Path(folder) / "tiny", TINY, says=f" {SENTENCE}"))
        threads = os.cpu_count() or 1
        model = faster_whisper.WhisperModel(directory, device="cpu", compute_type=compute_type, cpu_threads=threads)
        settings = {"batched": (30, most), "short_alone": (SHORT_WINDOW_S, 1), "short_batched": (SHORT_WINDOW_S, most)}
        engines = {
            name: await make(
                FasterWhisperOptions(
                    model=directory, compute_type=compute_type, cpu_threads=threads, max_batch=size, window_s=window_s
                )
            )
            for name, (window_s, size) in settings.items()
        }
        ways = {"one_at_a_time": one_at_a_time(model), **{name: shared(engine) for name, engine in engines.items()}}
        found: dict[str, dict[str, Any]] = {}
        for calls in (1, 4, 16):
            repeated: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
            for _ in range(runs):
                for name, ask in ways.items():
                    repeated[name].append(await timed(ask, calls, 4 if calls == 1 else 1, seconds))
            found[str(calls)] = {
                name: {key: round(statistics.median(run[key] for run in each), 2) for key in each[0]}
                for name, each in repeated.items()
            }
        for engine in engines.values():
            await engine.close()
    rate = {name: each["per_second"] for name, each in found["16"].items()}
    return {
        "whisper_batch_speedup_16": round(rate["batched"] / rate["one_at_a_time"], 2),
        "whisper_short_batch_speedup_16": round(rate["short_batched"] / rate["short_alone"], 2),
        "whisper_short_window_speedup_16": round(rate["short_batched"] / rate["one_at_a_time"], 2),
        "whisper_calls": found,
        "whisper_conditions": f"tiny {compute_type}, {threads} cores, {seconds:g} s, batches of {most or CPU_BATCH}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--most", type=int, default=0, help="requests in a batch (0: the default)")
    parser.add_argument("--json", action="store_true", help="indented otherwise")
    args = parser.parse_args()
    found = asyncio.run(measure(args.runs, compute_type=args.compute_type, most=args.most))
    print(json.dumps(found, indent=None if args.json else 2))


if __name__ == "__main__":
    main()
