"""Long life: 20,000 short calls, or many calls for 30 minutes, and nothing grows.

`python -m benchmarks.soak --calls 20000`, `--minutes 30`, `--quick` (under a minute). A real server with simulated
engines on one core, the callers on the other; memory, files, threads, tasks and lateness are sampled from outside.
Exits with 1 when one of them kept growing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.capacity.expected import expected_ms
from benchmarks.capacity.figures import Expected, percentile
from benchmarks.capacity.generator import Generator, direct
from benchmarks.capacity.processes import ServerProcess, cores
from benchmarks.capacity.servers import Waits, ours
from benchmarks.capacity.speech import utterances

GROWTH_MB = 24.0  # of RSS between the second and the last quarter: caches and arenas settle, leaks do not
GROWTH_FILES = 8
GROWTH_TASKS = 8
LATE_FACTOR = 2.0  # p99 of lateness in the last quarter against the second
LATE_FREE_MS = 10.0
ANSWERS_FOR_P99 = 300  # of fewer in a sample it is little more than the latest one: then p95 is judged
SETTLE_S = 4.0
MAX_CALL_S = 7200
# Who answers: seeded before the server makes its own agents, so that calls which name nobody are his. By default an
# agent ends a call after half an hour, and after some hundred turns has spent what a call may waste on answers begun
# early: from then on it answers later by its own rules, which says nothing of the server.
AGENT = f"""
organizations:
  - id: org_soak
    name: Soak
    agents:
      - id: patient
        file: receptionist
        config:
          greeting: Hello, this is {{company_name}}. How can I help you?
          turn: {{speculation_tokens: 1000000000}}
          limits: {{max_call_s: {MAX_CALL_S}}}
"""


class Sample(msgspec.Struct, frozen=True):
    """At one instant, between calls where that is possible."""

    at_s: float
    calls_so_far: int
    calls: int
    rss_mb: float
    files: int
    threads: int
    tasks: float | None  # None: the server does not tell
    answers: int  # since the last sample
    late_p95_ms: float  # of their first audio against the expected one
    late_p99_ms: float
    missed_turns: int
    lost_calls: int


class Soak:
    """Drives one server and samples it."""

    def __init__(self, server: ServerProcess, generator: Generator, expected: Expected, metrics_url: str) -> None:
        self._server = server
        self._generator = generator
        self._expected = expected
        self._metrics_url = metrics_url
        self._began_s = time.monotonic()
        self.calls = 0
        self.samples: list[Sample] = []

    async def sample(self, session: aiohttp.ClientSession) -> Sample:
        figures = self._generator.figures
        late = [answer.response_ms - self._expected.of(answer) for answer in figures.answers]
        usage = self._server.usage()
        sample = Sample(
            at_s=round(time.monotonic() - self._began_s, 1),
            calls_so_far=self.calls,
            calls=len(self._generator),
            rss_mb=round(usage.rss_mb, 1),
            files=self._server.files(),
            threads=self._server.threads(),
            tasks=await self._tasks(session),
            answers=len(late),
            late_p95_ms=round(percentile(late, 95), 1),
            late_p99_ms=round(percentile(late, 99), 1),
            missed_turns=figures.missed_turns,
            lost_calls=figures.lost_calls,
        )
        figures.open_window()
        self.samples.append(sample)
        print(json.dumps(msgspec.to_builtins(sample), default=str), file=sys.stderr, flush=True)
        return sample

    async def _tasks(self, session: aiohttp.ClientSession) -> float | None:
        async with session.get(self._metrics_url) as response:
            for line in (await response.text()).splitlines():
                if line.startswith("voicecore_tasks "):
                    return float(line.split()[1])
        return None

    async def short_calls(self, total: int, at_once: int, seconds: float, session: aiohttp.ClientSession) -> None:
        """Waves of calls that last a few seconds each: ring all, let them talk, hang all up."""
        every = max(1, total // at_once // 20)
        wave = 0
        while self.calls < total:
            size = min(at_once, total - self.calls)
            await self._generator.resize(size, per_second=at_once)
            await asyncio.sleep(seconds)
            self.calls += len(self._generator)
            await self._generator.resize(0, per_second=10_000.0)
            wave += 1
            if wave % every == 0 or self.calls >= total:
                await asyncio.sleep(1.0)
                await self.sample(session)

    async def long_calls(self, calls: int, minutes: float, session: aiohttp.ClientSession) -> None:
        await self._generator.resize(calls, per_second=20.0)
        self.calls += calls
        await asyncio.sleep(SETTLE_S)
        self._generator.figures.open_window()
        for _ in range(20):
            await asyncio.sleep(minutes * 60.0 / 20)
            await self.sample(session)


def verdict(samples: list[Sample]) -> list[str]:
    """What kept growing, comparing the second quarter with the last; nothing when all is flat."""
    if len(samples) < 4:
        return ["fewer than four samples"]
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]

    def grew(name: str) -> float:
        pairs = [[value for one in part if (value := getattr(one, name)) is not None] for part in (early, late)]
        return statistics.median(pairs[1]) - statistics.median(pairs[0]) if all(pairs) else 0.0

    faults = []
    for name, allowed in (("rss_mb", GROWTH_MB), ("files", GROWTH_FILES), ("tasks", GROWTH_TASKS), ("threads", 2)):
        if grew(name) > allowed:
            faults.append(f"{name} grew by {grew(name):.1f}")
    judged = "p99" if min(one.answers for one in early + late) >= ANSWERS_FOR_P99 else "p95"
    before, after = (statistics.median(getattr(one, f"late_{judged}_ms") for one in part) for part in (early, late))
    if math.isnan(before + after):
        faults.append("no answers, so no lateness")
    elif after > max(LATE_FACTOR * before, before + LATE_FREE_MS):
        faults.append(f"{judged} lateness went from {before:.1f} to {after:.1f} ms")
    missed, lost = sum(one.missed_turns for one in samples), samples[-1].lost_calls
    if missed or lost:
        faults.append(f"{missed} missed turns, {lost} lost calls")
    return faults


def seed(folder: Path, environment: dict[str, str]) -> None:
    """Make the agent in the data of a server that has not started yet."""
    file = folder / "seed.yaml"
    file.write_text(AGENT)
    command = [sys.executable, "-m", "voicecore", "seed", str(file), "--data", str(folder / "data")]
    subprocess.run(command, env={**os.environ, **environment}, stdout=sys.stderr, check=True)


async def soak(arguments: argparse.Namespace, expected: Expected) -> dict[str, Any]:
    server_core, generator_core = cores()
    os.sched_setaffinity(0, {generator_core})
    contender = ours(Waits(), expected)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        started = contender.start(Path(name))
        await asyncio.to_thread(seed, Path(name), started.environment)
        server = ServerProcess(started.command, server_core, Path(name) / "log", started.environment)
        server.start()
        try:
            await server.until_listening(started.port)
            async with (
                aiohttp.ClientSession() as session,
                Generator(direct(started.media_url), utterances()) as generator,
            ):
                url = f"http://127.0.0.1:{started.port}/metrics"
                run = Soak(server, generator, expected, url)
                if arguments.minutes:
                    await run.long_calls(arguments.at_once, arguments.minutes, session)
                else:
                    await run.short_calls(arguments.calls, arguments.at_once, arguments.call_s, session)
        finally:
            await asyncio.to_thread(server.stop)
    return {"samples": msgspec.to_builtins(run.samples), "faults": verdict(run.samples)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000, help="short calls in all")
    parser.add_argument("--at-once", type=int, default=200, help="calls that run together")
    parser.add_argument(
        "--call-s", type=float, default=9.0, help="how long a short call lasts: a greeting, a question, an answer"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="instead: this long with the same calls")
    parser.add_argument("--quick", action="store_true", help="360 short calls")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.calls, arguments.at_once, arguments.call_s, arguments.minutes = 360, 90, 9.0, 0.0
    if arguments.minutes * 60.0 > MAX_CALL_S - 2 * SETTLE_S:
        parser.error(f"the agent ends a call after {MAX_CALL_S} s")
    report = uvloop.run(soak(arguments, expected_ms(utterances(), Waits())))
    print(json.dumps(report, indent=1, default=str))
    sys.exit(1 if report["faults"] else 0)


if __name__ == "__main__":
    main()
