"""Bad input over real sockets: what a peer's mistakes cost it, and nobody else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from media_server import (
    ANSWERS,
    SILENT,
    House,
    RawSocket,
    Serve,
    changed,
    error_codes,
    events,
    eventually,
    media_message,
    speech,
    start_message,
    utterance,
)

from pipelines.events import EndReason, EventKind


async def alive(call: RawSocket, house: House) -> None:
    """The call still works: what is said is answered, and a stop ends it in good order."""
    await call.say()
    await call.until("media")
    await call.leave("stop")
    assert await call.closed() == (1000, "caller_hangup")
    assert (await house.ended(call.sid)).call.end_reason is EndReason.CALLER_HANGUP


# --- before a stream starts -----------------------------------------------------------------------


async def test_a_socket_that_says_nothing_is_closed(serve: Serve) -> None:
    house = await serve(media=changed(start_timeout_s=0.1))
    async with house.socket() as mute, house.socket() as connected_only:
        await connected_only.send({"event": "connected"})
        code, reason = await mute.closed()
        assert (code, reason) == (1008, "no stream was started within 0.1 s")
        assert (await connected_only.closed())[0] == 1008
    await house.idle()
    assert house.problems() == ["media_timeout"] * 2


@pytest.mark.parametrize("messages", [["what?", "{", "[]"], [media_message(SILENT, n) for n in (1, 2, 3)]])
async def test_three_wrong_messages_before_the_start_are_enough(house: House, messages: list[Any]) -> None:
    async with house.socket() as call:
        for message in messages:
            await call.send(message)
        assert (await call.closed())[0] == 1002
    await house.idle()
    assert house.problems() == ["protocol"] * 3


async def test_two_wrong_messages_before_the_start_are_survived(house: House) -> None:
    async with house.socket() as call:
        await call.send("garbage")
        await call.send(media_message(SILENT, 1))
        await call.start()
        await call.greeted(house)
        await alive(call, house)


async def test_a_stop_before_the_start_closes_in_good_order(house: House) -> None:
    async with house.socket() as call:
        await call.leave("stop")
        assert (await call.closed())[0] == 1000
    await house.idle()


# --- a start that cannot be served ----------------------------------------------------------------


@pytest.mark.parametrize("announced", [{"encoding": "audio/x-alaw"}, {"sampleRate": 16000}, {"channels": "2"}])
async def test_a_wrong_codec_is_on_record(house: House, announced: dict[str, Any]) -> None:
    async with house.socket() as call:
        message = start_message(call.sid)
        message["start"]["mediaFormat"] |= announced
        await call.send(message)
        code, reason = await call.closed()
        assert code == 1003
        assert reason.startswith("start.mediaFormat is")
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.AUDIO_FORMAT
    assert error_codes(detail) == ["audio_format"]
    assert house.problems(call.sid) == ["audio_format"]
    assert detail.recording is None


async def test_an_unknown_agent_is_on_record(house: House) -> None:
    async with house.socket() as call:
        await call.start("nobody")
        assert await call.closed() == (1008, "nobody answers as 'nobody'")
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.AGENT_NOT_FOUND
    assert error_codes(detail) == ["not_found"]
    assert house.problems(call.sid) == ["not_found"]


async def test_a_start_without_parameters_reaches_the_first_agent(house: House) -> None:
    async with house.socket() as call:
        await call.start("")
        await call.greeted(house)
        await alive(call, house)
    assert (await house.ended(call.sid)).call.agent_id == "reception"


# --- while a call runs ----------------------------------------------------------------------------


async def test_a_start_without_media_is_ended(serve: Serve) -> None:
    house = await serve(media=changed(idle_timeout_s=0.3))
    async with house.socket() as call:
        await call.start()
        assert await call.closed() == (1008, "idle_timeout")
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.IDLE_TIMEOUT
    assert error_codes(detail) == ["media_timeout"]
    assert house.problems(call.sid) == ["media_timeout"]


async def test_garbage_is_survived_and_reported(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.greeted(house)
        good = json.dumps(media_message(SILENT, 1))
        wrong = ["garbage", good[: len(good) // 2], '{"event":"media","media":{"payload":"%%"}}', "[" * 30_000]
        for message in wrong:
            await call.send(message)
        await call.send({"event": "hologram"})
        await alive(call, house)
    detail = await house.ended(call.sid)
    assert error_codes(detail) == ["protocol"] * 4
    assert house.problems(call.sid) == ["protocol"] * 4
    assert detail.call.media_health.problems == {"protocol": 4}
    assert detail.turns[-1].generated_text == ANSWERS[0]


async def test_a_flood_of_garbage_ends_the_call_and_is_not_logged_line_by_line(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.until("media")
        for _ in range(50):
            await call.send("garbage")
        assert (await call.closed())[0] == 1002
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.PROTOCOL_ERROR
    assert detail.call.media_health.problems == {"protocol": 50}
    assert len(house.problems(call.sid)) == len(error_codes(detail)) == 20


async def test_a_second_start_is_survived_and_reported(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.greeted(house)
        await call.send(start_message("CAother", "nobody"))
        await alive(call, house)
    detail = await house.ended(call.sid)
    assert error_codes(detail) == ["protocol"]
    assert "second start" in events(detail, EventKind.PROTOCOL_ERROR)[0]["message"]
    assert await house.find("CAother") is None


async def test_duplicates_inversions_and_losses_are_counted_and_survived(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.greeted(house)
        for chunk in (1, 2, 2, 4, 3, 5, 8):
            await call.send(media_message(SILENT, chunk))
        call._chunk = 8
        await alive(call, house)
    health = (await house.ended(call.sid)).call.media_health
    assert health.frames_lost == 1 + 2
    assert health.frames_in == 5 + 100


async def test_other_tracks_and_odd_pieces_are_no_problem(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.greeted(house)
        other = media_message(b"\x00" * 160, 900)
        other["media"]["track"] = "outbound"
        await call.send(other)
        spoken = b"".join(utterance())
        for chunk, at in enumerate(range(0, len(spoken), 333), 1):
            await call.send(media_message(spoken[at : at + 333], chunk))
        await call.until("media")
        await call.leave("stop")
    detail = await house.ended(call.sid)
    assert detail.call.media_health.frames_in == 100
    assert detail.turns[-1].caller_text == "when do you open"


async def test_a_key_interrupts_and_is_on_record(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.until("media")
        await call.send({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}})
        await call.until("clear")
        await call.leave("stop")
    detail = await house.ended(call.sid)
    assert events(detail, EventKind.DTMF) == [{"digit": "5"}]
    assert detail.turns[0].interrupted


# --- gone in every phase --------------------------------------------------------------------------

REASONS = {
    "reset": EndReason.CONNECTION_LOST,
    "close": EndReason.CONNECTION_LOST,
    "stop": EndReason.CALLER_HANGUP,
}


async def reach(phase: str, call: RawSocket, house: House) -> None:
    """Bring a call to where it is to be cut off."""
    if phase == "before":
        return
    agents = {"thinking": "thinker", "speaking": "talker"}
    await call.start(agents.get(phase, "reception"))
    if phase == "greeting":
        await call.until("media")
    elif phase == "caller speaks":
        await call.greeted(house)
        await call.media([*[SILENT] * 20, *speech()])
        await house.happened(call.sid, EventKind.CALLER_STARTED_SPEAKING)
    elif phase == "thinking":
        await house.talking(call.sid)
        await call.say()
        await house.happened(call.sid, EventKind.TURN_COMMITTED)
    elif phase == "speaking":
        await house.talking(call.sid)
        await call.say()
        await call.until("media")


@pytest.mark.parametrize("manner", REASONS)
@pytest.mark.parametrize("phase", ["before", "preparing", "greeting", "caller speaks", "thinking", "speaking"])
async def test_a_carrier_that_is_gone(house: House, phase: str, manner: str) -> None:
    tasks = len(asyncio.all_tasks())
    async with house.socket() as call:
        await reach(phase, call, house)
        await call.leave(manner)
        if manner == "stop":
            assert (await call.closed())[0] == 1000
    await house.idle()
    await eventually(lambda: len(asyncio.all_tasks()) == tasks)
    if phase == "before" or (phase == "preparing" and manner == "reset"):
        return  # a reset discards what was not read yet: there may have been no call at all
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is REASONS[manner]
    assert events(detail, EventKind.CALL_ENDED) == [{"reason": REASONS[manner]}]
    if phase == "greeting":
        assert detail.turns[0].generated_text == "Welcome to Demo."
        assert detail.turns[0].interrupted
    if phase == "caller speaks":
        assert detail.turns[-1].caller_ended_ms is not None
    if phase in ("thinking", "speaking"):
        assert detail.turns[-1].caller_text == "when do you open"


# --- nobody else notices --------------------------------------------------------------------------


async def vandal(house: House, kind: int) -> None:
    async with house.socket() as call:
        if kind % 2:
            await call.start()
            await call.until("media")
        for message in ("x" * 60_000, b"\x00\x01", "y" * 70_000)[kind % 3 :]:
            await call.send(message)
        await call.closed()


async def test_other_calls_stay_complete(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        good = group.create_task(house.call(turns=2))
        for kind in range(24):
            group.create_task(vandal(house, kind))
    result = good.result()
    assert [turn.answered for turn in result.turns] == [True, True]
    assert result.problems == []
    detail = await house.ended(result.identity.call_sid)
    assert detail.call.end_reason is EndReason.CALLER_HANGUP
    assert [turn.heard_text for turn in detail.turns] == ["Welcome to Demo.", *ANSWERS[:2]]
    assert not any(turn.interrupted for turn in detail.turns)
    for turn, text in zip(result.turns, ANSWERS, strict=False):
        assert turn.answer_ms == pytest.approx(len(text) * 20, abs=40)
