"""What is noted of engines that answer, fail and are given up; and that nothing is noted per frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from virtual_time import in_virtual_time, pass_ms, virtual_loop

from pipelines import trace
from pipelines.audio import TELEPHONE, AudioFormat, silence
from pipelines.errors import StageError
from pipelines.stages import Expect, LlmEvent, LlmRequest, Message, TextDelta, Transcript, TtsChunk, Voice, Word
from pipelines.traced_engines import Scribe, TracedLlm, TracedStt, TracedTts, last_words


class Notes:
    def __init__(self) -> None:
        self.heard_ms = 0.0
        self.entries: list[trace.Entry] = []

    def note(self, entry: trace.Entry) -> None:
        self.entries.append(entry)


class Recogniser:
    def __init__(self) -> None:
        self.partial = ""
        self.fed = 0
        self.fails = False

    def begin(self, expect: Expect = Expect.ANYTHING) -> None: ...

    def feed(self, pcm: bytes) -> None:
        self.fed += len(pcm)

    async def flush(self) -> Transcript:
        await pass_ms(80)
        if self.fails:
            raise StageError("out of order", stage="stt", provider="x")
        return Transcript("hello", (Word("hello", 10.0, 400.0),))

    def end(self) -> None: ...

    async def close(self) -> None: ...


@in_virtual_time
async def test_the_recogniser_is_noted_and_its_audio_goes_past() -> None:
    notes, inner = Notes(), Recogniser()
    session = TracedStt(inner, Scribe(notes, lambda: 0.0))
    assert session.feed == inner.feed, "a frame costs nothing more"
    notes.heard_ms = 900.0
    session.begin(Expect.DATE)
    assert session.partial == session.partial == ""
    inner.partial, notes.heard_ms = "hel", 1200.0
    assert session.partial == session.partial == "hel"
    notes.heard_ms = 1500.0
    await session.flush()
    given_up = asyncio.create_task(session.flush())
    await pass_ms(30)
    given_up.cancel()
    await asyncio.wait([given_up])
    inner.fails = True
    with pytest.raises(StageError):
        await session.flush()
    assert notes.entries == [
        trace.UtteranceBegan(heard_ms=900.0, expect=Expect.DATE),
        trace.PartialRead(heard_ms=1200.0, text="hel"),
        trace.Flushed(heard_ms=1500.0, took_ms=80.0, text="hello", words=(("hello", 10.0, 400.0),)),
        trace.Flushed(heard_ms=1500.0, took_ms=30.0, cut=True),
        trace.Flushed(heard_ms=1500.0, took_ms=80.0, error="stt/x: out of order"),
    ]


class Model:
    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        for word in ("one ", "two ", "three "):
            await pass_ms(100)
            yield TextDelta(word)
        if request.messages[-1].content == "break":
            raise StageError("429", stage="llm", provider="x")

    async def close(self) -> None: ...


def request(*said: str) -> LlmRequest:
    return LlmRequest([Message("system", "x"), *(Message("user", text) for text in said)], ())


@in_virtual_time
async def test_a_models_stream_is_noted_however_it_ends() -> None:
    notes = Notes()
    model = TracedLlm(Model(), Scribe(notes, lambda: virtual_loop().time() * 1000 - 1_000_000))
    assert [event async for event in model.stream(request("go"))] == [TextDelta(w) for w in ("one ", "two ", "three ")]
    async with aclosing(model.stream(request("stop"))) as events:
        async for _ in events:
            break
    with pytest.raises(StageError):
        async for _ in model.stream(request("break")):
            pass
    whole, cut, broken = notes.entries
    gave = tuple(trace.Gave(at=at, text=text) for at, text in ((100.0, "one "), (200.0, "two "), (300.0, "three ")))
    assert whole == trace.Asked(at_ms=0.0, said="go", gave=gave, took_ms=300.0)
    assert cut == trace.Asked(at_ms=300.0, said="stop", gave=gave[:1], took_ms=100.0, cut=True)
    assert broken == trace.Asked(at_ms=400.0, said="break", gave=gave, took_ms=300.0, error="llm/x: 429")


class Voices:
    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        await pass_ms(50)
        yield TtsChunk(silence(audio_format, 100))
        yield TtsChunk(silence(audio_format, 50) + b"\x00" * 400, (Word("hi", 150.0, 200.0),))
        yield TtsChunk(silence(audio_format, 60))

    async def close(self) -> None: ...


@in_virtual_time
async def test_of_a_voice_sizes_and_the_silence_before_its_first_sound_are_noted() -> None:
    notes = Notes()
    voice = TracedTts(Voices(), Scribe(notes, lambda: 7.0))
    chunks = [chunk async for chunk in voice.synthesize("hi", Voice(), TELEPHONE)]
    assert [len(chunk.audio) for chunk in chunks] == [800, 800, 480]
    pieces = (
        trace.Piece(50.0, 800, 800),
        trace.Piece(50.0, 800, 400, (("hi", 150.0, 200.0),)),
        trace.Piece(50.0, 480, 0),
    )
    assert notes.entries == [trace.Spoke(at_ms=7.0, text="hi", pieces=pieces, took_ms=50.0)]


def test_the_callers_last_words_and_what_came_after_them() -> None:
    assert last_words(request("one", "two")) == ("two", 0)
    tools = [Message("assistant", ""), Message("tool", "{}")]
    assert last_words(LlmRequest([Message("user", "two"), *tools], ())) == ("two", 2)
    assert last_words(LlmRequest([Message("system", "x")], ())) == ("", 1)
