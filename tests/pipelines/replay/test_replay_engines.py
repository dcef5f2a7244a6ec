"""Engines from a trace: the same again where it is known, an approximation that is counted where it is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from virtual_time import in_virtual_time, virtual_loop

from config.schema import Capabilities
from pipelines import trace
from pipelines.audio import TELEPHONE
from pipelines.errors import StageError
from pipelines.replay.engines import (
    Approximations,
    RecordedDetector,
    RecordedLlm,
    RecordedStt,
    RecordedToolbox,
    RecordedTts,
)
from pipelines.replay.stored import StoredCall
from pipelines.stages import LlmRequest, Message, TextDelta, ToolCall, Voice
from pipelines.traced_engines import quiet_bytes

OPENED = trace.Opened(
    format=trace.FORMAT,
    agent={},
    greeting="",
    prompt_characters=0,
    vad={},
    engines={},
    inbound_hz=8000,
    outbound=TELEPHONE,
    has_marks=True,
    ahead_ms=300.0,
)


def call(*entries: Any) -> StoredCall:
    return StoredCall([OPENED, *entries], b"")


def asked(at_ms: float, said: str, *words: str, **more: Any) -> trace.Asked:
    gave = tuple(trace.Gave(at=100.0 + 10.0 * index, text=word) for index, word in enumerate(words))
    return trace.Asked(at_ms=at_ms, said=said, gave=gave, **{"took_ms": 100.0 + 10.0 * len(words), **more})


async def answer(model: RecordedLlm, said: str, *after: Message) -> list[tuple[float, Any]]:
    """Events, and how long after the request they came."""
    started = virtual_loop().time()
    request = LlmRequest([Message("system", "x"), Message("user", said), *after], ())
    return [(round((virtual_loop().time() - started) * 1000, 1), event) async for event in model.stream(request)]


@in_virtual_time
async def test_the_model_says_the_same_as_long_after() -> None:
    guesses = Approximations()
    model = RecordedLlm(call(asked(1000, "yes", "Good", " bye"), asked(9000, "yes", "Later")), lambda: 1100.0, guesses)
    assert await answer(model, "yes") == [(100.0, TextDelta("Good")), (110.0, TextDelta(" bye"))]
    assert guesses.llm == 0
    assert [event for _, event in await answer(model, "yes, please")] == [TextDelta("Good"), TextDelta(" bye")]
    assert guesses.llm == 1


@in_virtual_time
async def test_what_follows_upon_a_tool_belongs_to_the_reply_that_called_it() -> None:
    tool = trace.Gave(at=50.0, call=ToolCall("1", "opening_hours", {}))
    first = trace.Asked(at_ms=1000.0, said="when are you open", gave=(tool,), took_ms=60.0)
    second = asked(1100, "when are you open", "At", " nine", after=2)
    other = asked(1050, "something else", "Never", after=2)
    model = RecordedLlm(call(first, second, other), lambda: 1000.0, Approximations())
    assert [type(event) for _, event in await answer(model, "when are you")] == [ToolCall]
    results = Message("assistant", ""), Message("tool", "{}")
    assert [event for _, event in await answer(model, "when are you", *results)] == [
        TextDelta("At"),
        TextDelta(" nine"),
    ]


@in_virtual_time
async def test_a_reply_that_was_cut_goes_on_as_it_did_elsewhere() -> None:
    cut = asked(1000, "yes", "We", cut=True, took_ms=400.0)
    model = RecordedLlm(call(cut, asked(9000, "yes", "We", " open", " at nine")), lambda: 1000.0, Approximations())
    said = await answer(model, "yes")
    assert said[0] == (100.0, TextDelta("We"))
    assert [event for _, event in said[1:]] == [TextDelta(" open"), TextDelta(" at nine")]
    assert said[1][0] > 400.0, "not before it was cut: then it had not come"


@in_virtual_time
async def test_a_failure_is_repeated() -> None:
    model = RecordedLlm(call(asked(1000, "yes", error="llm/x: 429")), lambda: 1000.0, Approximations())
    with pytest.raises(StageError, match="429"):
        await answer(model, "yes")


async def speech(voice: RecordedTts, text: str) -> list[tuple[float, bytes]]:
    started = virtual_loop().time()
    chunks = voice.synthesize(text, Voice(), TELEPHONE)
    return [(round((virtual_loop().time() - started) * 1000, 1), chunk.audio) async for chunk in chunks]


@in_virtual_time
async def test_the_voice_is_as_late_as_long_and_as_quiet_at_first() -> None:
    pieces = (trace.Piece(40.0, 800, 320), trace.Piece(90.0, 1600))
    spoke = trace.Spoke(at_ms=1000.0, text="Hello there.", pieces=pieces, took_ms=95.0)
    guesses = Approximations()
    voice = RecordedTts(call(spoke), lambda: 1000.0, guesses)
    said = await speech(voice, "Hello there.")
    assert [(at, len(audio), quiet_bytes(audio, TELEPHONE)) for at, audio in said] == [
        (40.0, 800, 320),
        (90.0, 1600, 0),
    ]
    assert guesses.tts == 0
    ((at, audio),) = await speech(voice, "Something twice as long.")
    assert (at, len(audio)) == (40.0, 4800), "as late as usual, and at the voice's own speed"
    assert guesses.tts == 1


@in_virtual_time
async def test_speech_that_was_cut_is_spoken_to_its_end() -> None:
    whole = trace.Spoke(at_ms=1.0, text="Ten letter", pieces=(trace.Piece(5.0, 8000),), took_ms=5.0)
    cut = trace.Spoke(at_ms=2000.0, text="Cut short.", pieces=(trace.Piece(5.0, 1000),), took_ms=300.0, cut=True)
    said = await speech(RecordedTts(call(whole, cut), lambda: 2000.0, Approximations()), "Cut short.")
    assert [len(audio) for _, audio in said] == [1000, 7000]
    assert said[1][0] > 300.0


@in_virtual_time
async def test_the_recogniser_answers_an_interrupted_question_later_than_it_was_interrupted() -> None:
    begun, cut = trace.UtteranceBegan(heard_ms=1000.0), trace.Flushed(heard_ms=2000.0, took_ms=30.0, cut=True)
    whole = trace.Flushed(heard_ms=4000.0, took_ms=70.0, text="one two three four")
    heard = 1000.0
    recogniser = RecordedStt(call(begun, cut, whole), lambda: heard, Approximations())
    recogniser.begin()
    heard = 2000.0
    started = virtual_loop().time()
    assert (await recogniser.flush()).text == "one two"
    assert virtual_loop().time() - started == pytest.approx(0.070)
    heard = 4000.0
    assert (await recogniser.flush()).text == "one two three four"
    assert recogniser.partial == "", "an engine without partials has none"


@in_virtual_time
async def test_the_detector_knows_the_pauses_that_it_heard() -> None:
    heard, guesses = 2000.0, Approximations()
    told = trace.Detected(heard_ms=2000.0, took_ms=40.0, probability=0.9)
    detector = RecordedDetector(call(told), lambda: heard, guesses)
    started = virtual_loop().time()
    assert await detector.probability(b"", 8000) == 0.9
    assert virtual_loop().time() - started == pytest.approx(0.040)
    heard = 3000.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await detector.probability(b"", 8000)
    assert guesses.detector == 1


@in_virtual_time
async def test_tools_return_what_they_returned_and_do_nothing_else() -> None:
    hung_up: list[bool] = []
    used = [
        trace.ToolUsed(at_ms=1.0, name="check_availability", arguments={"date": "x"}, result='{"a":1}', took_ms=20.0),
        trace.ToolUsed(at_ms=9.0, name="end_call", arguments={}, result='{"ended":true}', took_ms=0.0),
    ]
    guesses = Approximations()
    tools = RecordedToolbox(call(*used), Capabilities(), lambda: hung_up.append(True), lambda: 5.0, guesses)
    assert await tools.run(ToolCall("1", "check_availability", {"date": "x"})) == '{"a":1}'
    assert await tools.run(ToolCall("2", "check_availability", {"date": "y"})) == '{"a":1}'
    assert "not_recorded" in await tools.run(ToolCall("3", "list_services", {}))
    assert guesses.tools == 2
    assert "not_committed" in await tools.run(ToolCall("4", "end_call", {}), speculative=True)
    assert not hung_up
    assert await tools.run(ToolCall("5", "end_call", {})) == '{"ended":true}'
    assert hung_up
