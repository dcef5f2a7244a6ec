"""The demo call end to end: a recorded caller, real engines, real sockets, and what is on record afterwards."""

from __future__ import annotations

import asyncio
import wave
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
import numpy as np
import pytest

from config.schema import ServerSettings
from pipelines.brain.dates import say_date
from voicecore.app import Server, running
from voicecore.commands.replay import find, replayed
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.carrier import CallResult, Destination, place_call
from voicecore.phone.clips import shipped
from voicecore.phone.measure import MeasuredTurn, measure_recording
from voicecore.replay_report import ReplayReport
from voicecore.services.demo import read_credentials

LONDON = ZoneInfo("Europe/London")
AGREEMENT_MS = 20.0  # marks against audio
REPEATED_MS = 20.0  # a replay against the call: one frame, on a machine that keeps up


class Rest(msgspec.Struct):
    """The native surface, as the demo administrator."""

    session: aiohttp.ClientSession
    url: str
    token: str = ""

    async def login(self, credentials: Path) -> None:
        email, password = read_credentials(credentials) or ("", "")
        body = {"username": email, "password": password}
        async with self.session.post(f"{self.url}/api/v1/auth/login", json=body) as response:
            self.token = (await response.json())["access_token"]

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.url}{path}", headers=self._headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def download(self, url: str, to: Path) -> None:
        async with self.session.get(url) as response:
            await asyncio.to_thread(to.write_bytes, await response.read())

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


async def _call(server: Server, session: aiohttp.ClientSession) -> CallResult:
    caller = Caller(tuple(shipped()), Manners(answer_pause_ms=400))
    return await place_call(session, Destination(url=server.url), caller, timeout_s=120)


def _a_replay_repeats_it(told: ReplayReport, lag_ms: float) -> None:
    """Turns, texts, interruptions; and when decisions were taken and answers began and ended.

    By how much the event loop was late is not in the trace.
    """
    assert told.fidelity.repeated == told.fidelity.turns == len(shipped()) + 1
    assert told.fidelity.worst_ms <= REPEATED_MS + lag_ms
    assert told.recorded.false_cut_offs == told.replayed.false_cut_offs
    assert told.end_reasons[0] == told.end_reasons[1]


def _heard_in(recording: Path) -> list[MeasuredTurn]:
    with wave.open(str(recording)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    return measure_recording(np.ascontiguousarray(samples[:, 0]), np.ascontiguousarray(samples[:, 1]))


@pytest.mark.slow
async def test_the_demo_caller_gets_an_appointment(tmp_path: Path) -> None:
    settings = ServerSettings(data=str(tmp_path / "data"), port=0, pipeline="embedded", limits="relaxed")
    async with running(settings) as server, aiohttp.ClientSession() as session:
        result = await _call(server, session)
        assert result.problems == []
        rest = Rest(session, server.url)
        await rest.login(server.credentials)
        (listed,) = (await rest.get("/api/v1/calls"))["items"]
        call = await rest.get(f"/api/v1/calls/{listed['id']}")
        await rest.download(call["recording"]["url"], tmp_path / "call.wav")
        booked = await rest.get(f"/api/v1/calendar/appointments?call_id={listed['id']}")

        told = await asyncio.to_thread(replayed, settings, await find(settings, listed["id"]), [])
    _a_replay_repeats_it(told, call["media_health"]["worst_loop_lag_ms"])
    _every_turn_is_answered(result, call)
    _the_appointment_is_what_was_read_back(booked["items"], call)
    _the_marks_agree_with_the_audio(call, _heard_in(tmp_path / "call.wav"))


def _every_turn_is_answered(result: CallResult, call: Any) -> None:
    assert [turn.answered for turn in result.turns] == [True] * len(shipped())
    answers = [turn for turn in call["turns"] if turn["caller_text"]]
    assert len(answers) == len(shipped())
    assert "saturday" in answers[0]["caller_text"]
    assert "closed" in answers[0]["heard_text"]
    assert answers[-1]["heard_text"].endswith("Goodbye!")
    assert call["end_reason"] == "agent_hangup"


def _the_appointment_is_what_was_read_back(booked: list[Any], call: Any) -> None:
    (appointment,) = booked
    start = datetime.fromisoformat(appointment["start"]).astimezone(LONDON)
    assert (appointment["type"], start.strftime("%A %H:%M")) == ("Checkup", "Tuesday 10:00")
    assert appointment["customer_name"] == "Sarah Johnson"
    read_back = next(turn["heard_text"] for turn in call["turns"] if "Let me repeat" in turn["heard_text"])
    assert f"checkup, on {say_date(start.date())} at ten a.m., for Sarah Johnson" in read_back


def _the_marks_agree_with_the_audio(call: Any, measured: list[MeasuredTurn]) -> None:
    marked = [turn["response_latency_ms"] for turn in call["turns"] if turn["response_latency_ms"] is not None]
    heard = [turn.latency_ms for turn in measured]
    assert len(heard) == len(marked)
    assert max(abs(by_ear - mark) for by_ear, mark in zip(heard, marked, strict=True)) <= AGREEMENT_MS
