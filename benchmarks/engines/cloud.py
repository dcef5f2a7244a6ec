"""What cloud engines cost beyond their own waits: whole calls over the carrier's protocol, the providers emulated.

The adapters, SDKs and sockets are the real ones; only the companies are missing. The same callers, turn machine and
waits in virtual time tell what a call would get if networks, parsing and resampling took no time; the rest is ours.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.capacity.expected import expected_ms
from benchmarks.capacity.figures import Expected, percentile
from benchmarks.capacity.generator import Generator, direct
from benchmarks.capacity.processes import ServerProcess, cores, free_port
from benchmarks.capacity.servers import ROOT, Waits
from benchmarks.capacity.speech import utterances

WAITS = Waits(stt_ms=100.0, first_token_ms=200.0, first_audio_ms=120.0)
SETTLE_S = 18.0  # greetings and first turns: what is known of a caller by then is known in virtual time, too


class Overhead(msgspec.Struct, frozen=True):
    """Milliseconds from the caller's last audible sample to the first audio of the answer, over all answers."""

    calls: int
    answers: int
    missed_turns: int
    lost_calls: int
    response_p50_ms: float
    response_p95_ms: float
    overhead_p50_ms: float
    overhead_p95_ms: float
    cpu_per_call_pct: float


@contextmanager
def emulated(folder: Path, core: int) -> Iterator[Path]:
    """The providers in a process of their own; gives the server's settings. Raises ServerFailed."""
    config = folder / "cloud.yaml"
    command = [sys.executable, "-m", "benchmarks.emulators", "--settings", str(config)]
    command += ["--stt-ms", str(WAITS.stt_ms), "--llm-ms", str(WAITS.first_token_ms)]
    command += ["--tts-ms", str(WAITS.first_audio_ms), "--tokens-per-s", str(WAITS.tokens_per_s)]
    process = ServerProcess(command, core, folder / "emulators.log", {"PYTHONPATH": str(ROOT)})
    process.start()
    try:
        while not process.log_tail().startswith("{"):
            process.check()
            time.sleep(0.05)
        yield config
    finally:
        process.stop()


async def measure(calls: int = 10, seconds: float = 60.0) -> Overhead:
    """Raises ServerFailed."""
    script = utterances()
    expected = await asyncio.to_thread(expected_ms, script, WAITS)  # it has an event loop of its own
    server_core, other_core = cores()
    with tempfile.TemporaryDirectory(prefix="voicecore-engines-") as name:
        folder = Path(name)
        with emulated(folder, other_core) as config:
            port = free_port()
            command = [sys.executable, "-m", "voicecore", "serve", "--no-demo-call", "--log-level", "warning"]
            command += ["--port", str(port), "--data", str(folder / "data"), "--config", str(config)]
            server = ServerProcess(command, server_core, folder / "log", {"PYTHONPATH": str(ROOT)})
            server.start()
            try:
                await server.until_listening(port)
                async with Generator(direct(f"ws://127.0.0.1:{port}/twilio/media"), script) as generator:
                    return await _talk(server, generator, expected, calls, seconds)
            finally:
                server.stop()


async def _talk(
    server: ServerProcess, generator: Generator, expected: Expected, calls: int, seconds: float
) -> Overhead:
    figures = generator.figures
    await generator.resize(calls, per_second=4.0)
    await asyncio.sleep(SETTLE_S)
    figures.open_window()
    before = server.usage()
    await asyncio.sleep(seconds)
    after = server.usage()
    response = [answer.response_ms for answer in figures.answers]
    over = [answer.response_ms - expected.of(answer) for answer in figures.answers]
    return Overhead(
        calls=calls,
        answers=len(response),
        missed_turns=figures.missed_turns,
        lost_calls=figures.lost_calls,
        response_p50_ms=round(percentile(response, 50), 1),
        response_p95_ms=round(percentile(response, 95), 1),
        overhead_p50_ms=round(percentile(over, 50), 1),
        overhead_p95_ms=round(percentile(over, 95), 1),
        cpu_per_call_pct=round((after.cpu_s - before.cpu_s) / (after.at_s - before.at_s) * 100 / calls, 2),
    )
