"""Whole calls with a faithful carrier: what was heard, stored, recorded and measured agrees."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest
from media_server import ANSWERS, QUICK, TEXTS, House, Serve, events

from pipelines.events import EndReason, EventKind
from pipelines.timing import response_latency_ms, waterfall
from voicecore.domain.calls import Outcome
from voicecore.phone.measure import measure_recording
from voicecore.phone.recording import read_stereo


async def test_a_call_from_ring_to_hang_up(house: House) -> None:
    result = await house.call(turns=2, caller="+4930123", called="+15550100000")
    assert result.problems == []
    assert (result.close_code, result.partial_frames) == (1000, 0)
    detail = await house.ended(result.identity.call_sid)
    call = detail.call

    assert (call.end_reason, call.outcome) == (EndReason.CALLER_HANGUP, Outcome.COMPLETED)
    assert (call.transport, call.from_number, call.to_number) == ("twilio", "+4930123", "+15550100000")
    assert call.media_health.frames_in == result.frames
    assert call.media_health.problems == {}

    greeting, *turns = detail.turns
    assert greeting.generated_text == greeting.heard_text == "Welcome to Demo."
    assert [turn.caller_text for turn in turns] == list(TEXTS[:2])
    assert [turn.heard_text for turn in turns] == [turn.generated_text for turn in turns] == list(ANSWERS[:2])
    for turn in turns:
        latency = response_latency_ms(turn.marks)
        assert latency is not None
        assert turn.response_latency_ms == pytest.approx(latency)
        assert sum(waterfall(turn.marks).values()) == pytest.approx(latency)
    assert call.stages["response_latency"]["num"] == 2

    kinds = [event.kind for event in detail.events]
    assert kinds[0] == EventKind.CALL_STARTED
    assert kinds[-1] == EventKind.CALL_ENDED
    assert kinds.count(EventKind.TURN_COMMITTED) == 2
    assert kinds.count(EventKind.REPLY_FINISHED) == 3
    assert EventKind.BARGE_IN not in kinds

    # The recording: valid, caller left, agent right, and its own measure of the latency.
    recording = detail.recording
    assert recording is not None
    path = house.recordings / recording.path
    assert path.stat().st_size == recording.size_bytes
    caller, agent = read_stereo(path)
    assert len(caller) / 8 == recording.duration_ms
    assert np.array_equal(caller, np.frombuffer(result.recording.caller_pcm(), "<i2")[: len(caller)])
    measured = measure_recording(caller, agent)
    assert len(measured) == 2
    for heard, turn in zip(measured, turns, strict=True):
        assert heard.latency_ms == pytest.approx(response_latency_ms(turn.marks), abs=20)
    assert recording.peaks is not None
    assert max(recording.peaks.caller) == pytest.approx(np.abs(caller.astype(int)).max() / 32768, abs=0.001)
    assert max(recording.peaks.agent) == pytest.approx(np.abs(agent.astype(int)).max() / 32768, abs=0.001)


async def test_a_barge_in_clears_and_the_record_has_what_was_heard(house: House) -> None:
    manners = msgspec.structs.replace(QUICK, barge_in_ms=600, answer_limit_ms=1200)
    result = await house.call(turns=2, manners=manners, agent="talker")
    assert result.clears >= 1
    stopped = result.turns[1].agent_stopped_after_ms
    assert stopped is not None
    assert stopped < 1000
    detail = await house.ended(result.identity.call_sid)
    first = detail.turns[0]
    assert first.interrupted
    assert first.generated_text == ANSWERS[0]
    assert ANSWERS[0].startswith(first.heard_text)
    assert len(first.heard_text) < len(ANSWERS[0])
    (barge_in,) = events(detail, EventKind.BARGE_IN)[:1]
    assert barge_in["heard"] == first.heard_text
    assert detail.recording is not None
    _, agent = read_stereo(house.recordings / detail.recording.path)
    assert first.agent_ended_ms is not None
    after = agent[round(first.agent_ended_ms * 8) + 160 : round((first.agent_ended_ms + 150) * 8)]
    assert not after.any()  # what was cleared is not on the tape either


async def test_many_calls_at_once_are_kept_apart(house: House) -> None:
    results = await asyncio.gather(*(house.call(caller=f"+49{number}") for number in range(8)))
    for number, result in enumerate(results):
        detail = await house.ended(result.identity.call_sid)
        assert detail.call.from_number == f"+49{number}"
        assert [turn.heard_text for turn in detail.turns] == ["Welcome to Demo.", ANSWERS[0]]
        assert [turn.answered for turn in result.turns] == [True]


async def test_figures_of_a_call_are_exported_without_ids(house: House) -> None:
    result = await house.call()
    detail = await house.ended(result.identity.call_sid)
    status, text = await house.get("/metrics")
    assert status == 200
    figures = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[:1] != "#"}
    assert figures['voicecore_calls_total{end_reason="caller_hangup"}'] == 1
    assert figures["voicecore_calls_active"] == 0
    assert figures['voicecore_turns_total{interrupted="no"}'] == 2
    assert figures["voicecore_response_latency_seconds_count"] == 1
    latency = detail.turns[1].response_latency_ms
    assert latency is not None
    assert figures["voicecore_response_latency_seconds_sum"] == pytest.approx(latency / 1000)
    stages = [value for name, value in figures.items() if name.startswith("voicecore_stage_seconds_sum")]
    assert sum(stages) == pytest.approx(latency / 1000)
    speculation = detail.call.speculation
    assert speculation == detail.turns[1].speculation
    assert figures['voicecore_speculation_settled_total{outcome="hit"}'] == speculation.hits == 1
    assert figures['voicecore_speculation_settled_total{outcome="miss"}'] == speculation.misses
    assert figures["voicecore_speculation_saved_seconds_total"] == pytest.approx(speculation.saved_ms / 1000)
    for secret in (result.identity.call_sid, detail.call.external_id, "+1555", "reception"):
        assert secret not in text


async def test_a_disk_that_refuses_costs_the_recording_and_nothing_else(serve: Serve) -> None:
    house = await serve()
    house.recordings.parent.mkdir(exist_ok=True)
    house.recordings.write_text("in the way")
    result = await house.call()
    assert [turn.answered for turn in result.turns] == [True]
    detail = await house.ended(result.identity.call_sid)
    assert detail.recording is None
    assert detail.call.end_reason is EndReason.CALLER_HANGUP
