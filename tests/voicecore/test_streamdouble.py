"""A client that others wrote: the streamdouble package simulates Twilio Media Streams."""

from __future__ import annotations

from media_server import ANSWERS, House, utterance
from streamdouble import api
from streamdouble.session import SessionConfig

from pipelines.events import EndReason


async def test_an_independent_carrier_is_answered(house: House) -> None:
    config = SessionConfig(
        response_timeout_s=5, quiet_period_s=0.4, max_drain_s=5, custom_parameters={"agent": "reception"}
    )
    report = await api.call(house.ws + "/twilio/media", frames=[*[b"\xff" * 160] * 20, *utterance()], config=config)
    assert report.violations == []
    assert report.passed
    assert report.spoke
    first = report.time_to_first_audio_ms
    assert first is not None
    assert first < 1000
    detail = await house.ended(report.result.identity.call_sid)
    assert detail.call.end_reason is EndReason.CALLER_HANGUP
    assert [turn.heard_text for turn in detail.turns] == ["Welcome to Demo.", ANSWERS[0]]
