"""`voicecore call` as a shell runs it, against the test server."""

import asyncio
import json
import os
import sys
import wave
from pathlib import Path

from phone_counterpart import AgentServer, tone_ulaw

from pipelines.audio import Codec, to_pcm16
from voicecore.phone.recording import read_stereo


async def voicecore_call(*arguments: str) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICECORE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicecore", "call", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def write_tone(path: Path, duration_ms: int = 200) -> str:
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(8000)
        target.writeframes(to_pcm16(tone_ulaw(duration_ms), Codec.ULAW))
    return str(path)


async def test_recordings_are_played_and_every_answer_is_measured(agent_server: AgentServer, tmp_path: Path) -> None:
    first, second = write_tone(tmp_path / "one.wav"), write_tone(tmp_path / "two.wav", 300)
    record = tmp_path / "call.wav"
    status, out, err = await voicecore_call(
        *("--url", agent_server.url, "--data", str(tmp_path), "--json"),
        *("--wav", first, second, "--from", "+49301", "--to", "+49302", "--agent", "dental", "--record", str(record)),
    )
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["every_turn_answered"] is True
    assert [turn["said"] for turn in report["turns"]] == ["one.wav", "two.wav"]
    assert all(150 < turn["latency_ms"] < 600 for turn in report["turns"])
    assert agent_server.webhooks[0]["From"] == "+49301"
    assert agent_server.starts[0]["customParameters"] == {"agent": "dental"}
    left, right = read_stereo(record)
    assert len(left) == len(right) == report["duration_ms"] * 8
    assert left.any()
    assert right.any()


async def test_texts_are_spoken_and_an_agent_that_is_silent_is_exit_status_1(
    agent_server: AgentServer, tmp_path: Path
) -> None:
    agent_server.close_after_answers = 1
    status, out, _ = await voicecore_call(
        *("--url", agent_server.url, "--data", str(tmp_path), "--engine", "espeak", "--snr-db", "20"),
        *("--say", "Yes.", "--say", "No.", "--timeout-s", "4"),
    )
    assert status == 1
    assert "0 of 2 turns answered" in out  # noise never ends: this server hears no pause
    assert "Yes." in out


async def test_failures_are_one_line_and_exit_status_2(agent_server: AgentServer, tmp_path: Path) -> None:
    for arguments, reason in (
        (("--url", agent_server.url + "/nowhere"), "answered 404"),
        (("--url", "localhost"), "not an address"),
        (("--wav", str(tmp_path / "missing.wav")), "cannot read"),
        (("--say", "hello", "--engine", "nobody"), "no provider"),
    ):
        status, out, err = await voicecore_call("--data", str(tmp_path), *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("voicecore call: ")
        assert err.count("\n") == 1
        assert reason in err
