"""The servers that are compared, each started the same way, with the same waits of its engines.

A server is a command, a media address and what it documents of its waits. Peers live in a virtual environment of
their own (`benchmarks/peers`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.capacity.processes import free_port
from pipelines.machines.sentences import SentenceChunker

ROOT = Path(__file__).resolve().parents[2]


class Waits(msgspec.Struct, frozen=True):
    """What every server's engines take, in milliseconds: together 330 until the first audio, as in earlier figures."""

    stt_ms: float = 60.0
    first_token_ms: float = 150.0
    first_audio_ms: float = 120.0
    tokens_per_s: float = 60.0
    ms_per_character: float = 60.0
    answer: str = "Of course, I can help you with that. What day would suit you?"

    @property
    def first_chunk_ms(self) -> float:
        """From the first token until the first speakable chunk has been written."""
        chunker = SentenceChunker()
        for index, token in enumerate(self.answer.split(" ")):
            if chunker.feed(token + " "):
                return index * 1000.0 / self.tokens_per_s
        return (len(self.answer.split()) - 1) * 1000.0 / self.tokens_per_s


# Our end-of-turn rule with the default policy: 550 ms base, three quarters of it after a complete sentence, counted
# in frames of 20 ms. The recogniser is flushed in the pause before it and is done by then.
END_OF_TURN_MS = 420.0


class Running(msgspec.Struct, frozen=True):
    """How to start a server, and where it answers."""

    command: list[str]
    port: int
    media_url: str
    environment: dict[str, str] = {}
    webhook: str = ""


class Contender(msgspec.Struct, frozen=True):
    """`documented_ms`: voiced end → first audio by its own rules and engines; None: unknown, N = 1 is the measure."""

    name: str
    start: Callable[[Path], Running]
    documented_ms: float | None
    first_guess: int  # calls to begin with
    most: int


def ours(waits: Waits, *, pipeline: str = "capacity", vad: str = "{provider: webrtc}", name: str = "ours") -> Contender:
    def start(folder: Path) -> Running:
        port = free_port()
        config = folder / "capacity.yaml"
        config.write_text(
            # The limits on new calls are lifted, so that the search can go beyond what the server would admit.
            "admission: {max_calls: 100000, calls_per_second: 10000, burst_calls: 10000, max_loop_lag_ms: 60000}\n"
            "pipelines:\n"
            f"  {pipeline}:\n"
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
            command=[*command, "--pipeline", pipeline],
            port=port,
            media_url=f"ws://127.0.0.1:{port}/twilio/media",
            environment={"PYTHONPATH": str(ROOT)},
            webhook=f"http://127.0.0.1:{port}/webhooks/twilio/voice",
        )

    documented = END_OF_TURN_MS + waits.first_token_ms + waits.first_chunk_ms + waits.first_audio_ms
    return Contender(name, start, documented, first_guess=64, most=4096)


def floor(waits: Waits) -> Contender:
    total = END_OF_TURN_MS + waits.first_token_ms + waits.first_chunk_ms + waits.first_audio_ms

    def start(folder: Path) -> Running:
        port = free_port()
        speech_ms = len(waits.answer) * waits.ms_per_character
        command = [sys.executable, "-m", "benchmarks.floor.server", "--port", str(port)]
        command += ["--silence-ms", str(END_OF_TURN_MS), "--wait-ms", str(total - END_OF_TURN_MS)]
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
