"""Protocol, buffer, caller and recording in step, without a socket."""

import base64
import json

import numpy as np
from phone_counterpart import SILENT, tone_ulaw

from voicecore.phone.caller import Caller, Manners
from voicecore.phone.clips import make_clip
from voicecore.phone.dialect import Identity
from voicecore.phone.line import MAX_PROBLEMS, Line

CLIP = make_clip(tone_ulaw(60), "hello")
WHO = Identity("AC1", "CA2", "MZ3")


def new_line(**manners: int) -> Line:
    return Line(WHO, {"agent": "a"}, Caller((CLIP,), Manners(**manners)))


def events(messages: list[str]) -> list[str]:
    return [json.loads(message)["event"] for message in messages]


def media(audio: bytes) -> str:
    payload = base64.b64encode(audio).decode()
    return json.dumps({"event": "media", "streamSid": "MZ3", "media": {"payload": payload}})


MARK = '{"event":"mark","streamSid":"MZ3","mark":{"name":"m"}}'
CLEAR = '{"event":"clear","streamSid":"MZ3"}'


def test_a_whole_call() -> None:
    line = new_line(answer_pause_ms=60)
    assert events(line.open()) == ["connected", "start"]
    assert line.receive(media(tone_ulaw(40))) == []
    assert line.receive(MARK) == []
    sent = [line.tick() for _ in range(5)]
    assert [events(messages) for messages in sent] == [
        ["media"],
        ["mark", "media"],
        ["media"],
        ["media"],
        ["media"],
    ]
    payloads = [base64.b64decode(json.loads(messages[-1])["media"]["payload"]) for messages in sent]
    assert payloads == [SILENT] * 4 + [CLIP.frames[0]]
    assert len(line.tick()) == len(line.tick()) == 1  # the rest of the clip
    line.receive(media(tone_ulaw(20)))
    rest: list[str] = []
    while not line.hung_up:
        rest += line.tick()
    assert events(rest)[-1] == "stop"
    assert line.tick() == line.hang_up() == []
    heard = np.frombuffer(line.recording.heard_pcm(), "<i2").reshape(-1, 160)
    assert [bool(frame.any()) for frame in heard[:9]] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
        True,
        False,
    ]


def test_marks_return_at_once_on_an_empty_buffer_and_after_a_clear() -> None:
    line = new_line()
    assert events(line.receive(MARK)) == ["mark"]
    line.receive(media(tone_ulaw(200)))
    assert line.receive(MARK) == []
    assert events(line.receive(CLEAR)) == ["mark"]
    assert line.playback.buffered_bytes == 0


def test_wrong_messages_are_noted_and_do_no_harm() -> None:
    line = new_line()
    for _ in range(MAX_PROBLEMS + 10):
        assert line.receive('{"event":"media"}') == []
    assert line.problem_count == MAX_PROBLEMS + 10
    assert len(line.problems) == MAX_PROBLEMS
    assert events(line.tick()) == ["media"]


def test_numbers_run_through_all_kinds_of_messages() -> None:
    line = new_line()
    messages = [
        *line.open(),
        *line.tick(),
        *line.dtmf("5"),
        *line.receive(MARK),
        *line.tick(),
        *line.hang_up(),
    ]
    numbers = [json.loads(message).get("sequenceNumber") for message in messages]
    assert numbers == [None, "1", "2", "3", "4", "5", "6"]
