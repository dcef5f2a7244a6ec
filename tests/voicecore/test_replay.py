"""Calls through the real server, and what `voicecore replay` makes of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from media_server import QUICK, SILENT, House, speech

from pipelines import trace
from pipelines.audio import Codec, to_pcm16
from pipelines.events import EventKind
from pipelines.replay.stored import load
from voicecore.cli import main
from voicecore.phone.caller import Manners
from voicecore.recording import TRACE_SUFFIX

FRAME_MS = 20.0
REPEATED_MS = 20.0  # one frame, on a machine that keeps up
SEED = """
organizations:
  - id: acme
    name: Acme
    agents: [{id: dental, name: Dental}]
    calls: [{id: call_old, agent: dental, started_at: 2030-01-01T09:00:00Z}]
"""


class Shell:
    """Runs the command beside the server's loop, as another process would."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys

    async def __call__(self, *arguments: str, status: int = 0) -> str:
        self._capsys.readouterr()
        done = await asyncio.to_thread(main, ["replay", "--data", str(self.data), *arguments])
        captured = self._capsys.readouterr()
        assert done == status, captured.err
        return captured.out if status == 0 else captured.err

    async def data_of(self, *arguments: str) -> Any:
        return json.loads(await self(*arguments, "--json"))


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "data", capsys)


class Recorded(NamedTuple):
    sid: str
    path: Path
    lag_ms: float  # by how much the event loop was late at its worst: that is not in the trace


async def recorded(house: House, **call: Any) -> Recorded:
    result = await house.call(**call)
    detail = await house.ended(result.identity.call_sid)
    assert detail.recording is not None
    lag_ms = detail.call.media_health.worst_loop_lag_ms
    return Recorded(detail.call.sid, house.recordings / detail.recording.path, lag_ms)


def is_repeated(told: Any, lag_ms: float, turns: int, guesses: int = 0) -> None:
    assert (told["fidelity"]["turns"], told["fidelity"]["repeated"]) == (turns, turns)
    assert told["fidelity"]["worst_ms"] <= REPEATED_MS + lag_ms, told["turns"]
    assert sum(told["approximations"].values()) <= guesses
    for turn in told["turns"]:
        then, now = turn["recorded"], turn["replayed"]
        assert (then["caller_text"], then["heard_text"]) == (now["caller_text"], now["heard_text"])
        assert (then["interrupted"], then["false_cut_offs"]) == (now["interrupted"], now["false_cut_offs"])


async def test_a_call_is_repeated_and_answers_later_with_a_longer_wait(house: House, shell: Shell) -> None:
    sid, _, lag_ms = await recorded(house, turns=2)
    is_repeated(await shell.data_of(sid), lag_ms, turns=3)

    told = await shell.data_of(sid, "--set", "turn.base_wait_ms=900", "turn.max_wait_ms=900", "turn.min_wait_ms=900")
    assert told["settings"][0] == {"name": "turn.base_wait_ms", "recorded": 200, "replayed": 900}
    first = next(turn for turn in told["turns"] if turn["recorded"]["by_caller"])
    assert first["replayed"]["wait_ms"] == pytest.approx(900, abs=FRAME_MS)
    assert first["replayed"]["decided_ms"] > first["recorded"]["decided_ms"] + 500
    assert told["replayed"]["response_latency_p50_ms"] > told["recorded"]["response_latency_p50_ms"] + 400

    drawn = await shell(sid, "--set", "turn.base_wait_ms=900", "--set", "turn.max_wait_ms=900")
    assert "turn.max_wait_ms: 300 → 900" in drawn
    assert drawn == await shell("--set", "turn.base_wait_ms=900", "turn.max_wait_ms=900", sid), "to the last byte"


async def test_an_interruption_is_repeated_and_is_none_where_it_is_not_allowed(house: House, shell: Shell) -> None:
    rude = Manners(answer_pause_ms=200, answer_timeout_ms=3000, answer_limit_ms=1500, barge_in_ms=500)
    sid, _, lag_ms = await recorded(house, turns=2, manners=rude, agent="talker")
    told = await shell.data_of(sid)
    is_repeated(told, lag_ms, turns=len(told["turns"]), guesses=1)  # the voice hums: its echo is another
    assert told["recorded"]["barge_ins"] == told["replayed"]["barge_ins"] == 1
    meek = await shell.data_of(sid, "--set", "turn.barge_in=false")
    assert meek["replayed"]["barge_ins"] == 0


async def test_the_callers_audio_is_kept_bit_for_bit(house: House) -> None:
    """Also what came before anybody listened, in odd sizes, and around what was lost."""
    sent = [*speech(), *[SILENT] * 60, *speech()]
    lost = range(50, 55)
    async with house.socket() as socket:
        await socket.start()
        for index, frame in enumerate(sent):
            if index not in lost:
                socket._chunk = index
                await socket.media([frame])
        await socket.until("media")
        await socket.leave("stop")
        await socket.closed()
    detail = await house.ended(socket.sid)
    assert detail.recording is not None
    path = house.recordings / detail.recording.path
    call = load(path, path.with_suffix(TRACE_SUFFIX))
    frames = dict(call.frames())
    assert sorted(frames) == [index * FRAME_MS for index in range(len(sent)) if index not in lost]
    for start_ms, pcm in frames.items():
        assert pcm == to_pcm16(sent[int(start_ms / FRAME_MS)], Codec.ULAW)
    assert [(gap.from_ms, gap.until_ms) for gap in call.gaps] == [(1000.0, 1100.0)]


async def test_keys_marks_and_who_hung_up_are_in_the_trace(house: House) -> None:
    async with house.socket() as socket:
        await socket.start()
        await socket.media([SILENT] * 20)
        mark = await socket.until("mark")
        await house.happened(socket.sid, EventKind.REPLY_STARTED)
        await socket.send(mark)
        await socket.send({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "5"}})
        await socket.media([SILENT] * 150)
        await house.talking(socket.sid)
        await socket.leave("stop")
        await socket.closed()
    detail = await house.ended(socket.sid)
    assert detail.recording is not None
    path = house.recordings / detail.recording.path
    call = load(path, path.with_suffix(TRACE_SUFFIX))
    assert list(call.marks) == [mark["mark"]["name"]]
    assert [type(visit) for visit in call.visits] == [trace.Key, trace.Ended]
    assert call.opened.engines["llm"] == "simulated"
    assert call.running.tick_ms > call.running.started_ms


async def test_what_cannot_be_replayed_is_refused_with_a_reason(house: House, shell: Shell) -> None:
    sid, path, _ = await recorded(house, turns=1, manners=QUICK)

    async def refused(*arguments: str) -> str:
        told = await shell(*arguments, status=2)
        assert told.count("\n") == 1
        return told

    assert 'no call "CAnobody"' in await refused("CAnobody")
    assert "which call?" in await refused()
    for assignment, reason in {
        "turn.base_wait=3": "--set: turn.base_wait: no such setting; did you mean turn.base_wait_ms?",
        "turn.base_wait_ms=soon": "--set: turn.base_wait_ms: expected `int`, got `str`",
        "turn.base_wait_ms=1": "--set: turn.base_wait_ms: expected `int` >= 100",
        "turn.base_wait_ms": "--set: turn.base_wait_ms: NAME=VALUE is expected",
        "language.code=de": '--set: language.code: "language" has no settings of its own',
    }.items():
        assert reason in await refused(sid, "--set", assignment)

    notes = path.with_suffix(TRACE_SUFFIX)
    whole = notes.read_bytes()
    notes.write_bytes(b'{"is":"nonsense"}\n')
    assert "the trace of this call cannot be read" in await refused(sid)
    notes.unlink()
    assert "has no trace beside its recording" in await refused(sid)
    notes.write_bytes(whole)
    path.unlink()
    assert "the recording of this call is not there" in await refused(sid)


async def test_a_call_that_was_never_held_says_so(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(SEED)
    assert await asyncio.to_thread(main, ["seed", str(file), "--data", str(shell.data)]) == 0
    assert "there is no recording of call_old" in await shell("call_old", status=2)


async def test_a_call_cut_short_by_a_crash_is_replayed_as_far_as_it_was_written(house: House, shell: Shell) -> None:
    """The state of the disk in the middle of a call: no row of a recording, a line that was not written to its end."""
    sid, path, _ = await recorded(house, turns=2)
    notes = path.with_suffix(TRACE_SUFFIX)
    whole = notes.read_bytes()
    notes.write_bytes(whole[: whole.rindex(b'{"is":"llm"') + 40])
    told = await shell.data_of(sid)
    assert told["replayed"]["end_reason"] == "server_crashed"
    assert any("crashed" in note for note in told["notes"])
    assert told["replayed"]["turns"] >= 2
    assert told["turns"][1]["replayed"]["caller_text"] == told["turns"][1]["recorded"]["caller_text"]
