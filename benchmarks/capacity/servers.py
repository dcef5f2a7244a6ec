"""The servers that are compared, each started the same way, with the same waits of its engines.

A server is a command, a media address and what it documents of its waits. Peers live in a virtual environment of
their own (`benchmarks/peers`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.capacity.figures import Expected
from benchmarks.capacity.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
FLOOR_SILENCE_MS = 420.0  # after which the floor's caller has finished


class Waits(msgspec.Struct, frozen=True):
    """What every server's engines take, in milliseconds: together 330 until the first audio, as in earlier figures."""

    stt_ms: float = 60.0
    first_token_ms: float = 150.0
    first_audio_ms: float = 120.0
    tokens_per_s: float = 60.0
    ms_per_character: float = 60.0
    answer: str = "Of course, I can help you with that. What day would suit you?"


class Running(msgspec.Struct, frozen=True):
    """How to start a server, and where it answers."""

    command: list[str]
    port: int
    media_url: str
    environment: dict[str, str] = {}
    webhook: str = ""


class Contender(msgspec.Struct, frozen=True):
    """`expected`: what its own rules and engines take where computing costs nothing; None: unknown, then N = 1 is the
    measure."""

    name: str
    start: Callable[[Path], Running]
    expected: Expected | None
    first_guess: int  # calls to begin with
    most: int


def ours(waits: Waits, expected: Expected, *, vad: str = "{provider: webrtc}", name: str = "ours") -> Contender:
    def start(folder: Path) -> Running:
        port = free_port()
        config = folder / "capacity.yaml"
        config.write_text(
            # The limits on new calls are lifted, so that the search can go beyond what the server would admit.
            "admission: {max_calls: 100000, calls_per_second: 10000, burst_calls: 10000, max_loop_lag_ms: 60000}\n"
            "pipelines:\n"
            "  capacity:\n"
            f"    vad: {vad}\n"
            f"    stt: {{provider: simulated, options: {{stt: {{finish_ms: {waits.stt_ms}}}}}}}\n"
            f"    llm: {{provider: simulated, options: {{llm: {{first_token_ms: {waits.first_token_ms}, "
            f'tokens_per_s: {waits.tokens_per_s}, texts: ["{waits.answer}"]}}}}}}\n'
            f"    tts: {{provider: simulated, options: {{tts: {{first_audio_ms: {waits.first_audio_ms}, "
            f"ms_per_character: {waits.ms_per_character}, realtime_factor: 10}}}}}}\n"
        )
        command = [sys.executable, "-m", "voicecore", "serve", "--no-demo-call", "--log-level", "warning"]
        command += ["--port", str(port), "--data", str(folder / "data"), "--config", str(config)]
        return Running(
            command=[*command, "--pipeline", "capacity"],
            port=port,
            media_url=f"ws://127.0.0.1:{port}/twilio/media",
            environment={"PYTHONPATH": str(ROOT)},
            webhook=f"http://127.0.0.1:{port}/webhooks/twilio/voice",
        )

    return Contender(name, start, expected, first_guess=128, most=4096)


def floor(waits: Waits) -> Contender:
    wait_ms = waits.first_token_ms + waits.first_audio_ms

    def start(folder: Path) -> Running:
        port = free_port()
        speech_ms = len(waits.answer) * waits.ms_per_character
        command = [sys.executable, "-m", "benchmarks.floor.server", "--port", str(port)]
        command += ["--silence-ms", str(FLOOR_SILENCE_MS), "--wait-ms", str(wait_ms)]
        return Running(
            command=[*command, "--answer-ms", str(speech_ms)],
            port=port,
            media_url=f"ws://127.0.0.1:{port}/media",
            environment={"PYTHONPATH": str(ROOT)},
        )

    return Contender("floor", start, None, first_guess=128, most=8192)


def pipecat(waits: Waits, configuration: str, python: Path) -> Contender:
    """`configuration`: default | silero | external."""

    def start(folder: Path) -> Running:
        port = free_port()
        script = ROOT / "benchmarks" / "peers" / "pipecat_server.py"
        (folder / "waits.json").write_bytes(msgspec.json.encode(waits))
        command = [str(python), str(script), "--port", str(port), "--configuration", configuration]
        return Running(
            command=[*command, "--waits", str(folder / "waits.json")],
            port=port,
            media_url=f"ws://127.0.0.1:{port}/ws",
            environment={"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""},
        )

    first = {"default": 2, "silero": 4, "external": 16}[configuration]
    return Contender(f"peer_{configuration}", start, None, first_guess=first, most=512)
