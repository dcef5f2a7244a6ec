"""The embedded recogniser through its protocol: real workers, telephone clips."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("pocketsphinx", reason="pip install 'voicecore[embedded]'")

from pipelines.audio import Codec, to_pcm16
from pipelines.errors import ConfigError, EngineMissing, Remedy, StageError
from pipelines.providers.pocketsphinx import Engine, Session
from pipelines.registry import make
from pipelines.stages import Expect, Stt, SttOptions

AUDIO = Path(__file__).parents[2] / "audio"
FRAME_BYTES = 320  # 20 ms


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Language models, built once for all tests of this file."""
    return str(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def engine(cache: str) -> AsyncIterator[Engine]:
    made = await make("stt", "pocketsphinx", {"cache": cache, "workers": 1, "ready_decoders": 1}, source="test")
    assert isinstance(made, Engine)
    yield made
    await made.close()


def clip(name: str) -> bytes:
    return to_pcm16((AUDIO / f"{name}.ulaw").read_bytes(), Codec.ULAW)


def speak(session: Session, *names: str) -> None:
    for name in names:
        pcm = clip(name)
        for at in range(0, len(pcm), FRAME_BYTES):
            session.feed(pcm[at : at + FRAME_BYTES])


async def hear(session: Session, name: str, expect: Expect = Expect.ANYTHING) -> str:
    session.begin(expect)
    speak(session, name)
    transcript = await session.flush()
    session.end()
    return transcript.text


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def pids() -> set[str]:
    """Children of this process."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_is_an_stt(engine: Engine) -> None:
    assert isinstance(engine, Stt)


@pytest.mark.parametrize(
    ("name", "expect", "text"),
    [
        ("hours", Expect.ANYTHING, "when are you open on saturday"),
        ("book", Expect.ANYTHING, "i would like to book an appointment"),
        ("price", Expect.ANYTHING, "how much does a cleaning cost"),
        ("noisy", Expect.ANYTHING, "can you tell me your address please"),
        ("yes", Expect.YES_NO, "yes please"),
        ("no", Expect.YES_NO, "no thank you"),
        ("phone", Expect.PHONE, "five five five one two three four"),
        ("name", Expect.NAME, "my name is robert wilson"),
        ("book_rest", Expect.DATE_TIME, "for next tuesday at ten"),
        ("hours", Expect.YES_NO, "when are you open on saturday"),  # callers do not always answer the question
    ],
)
async def test_understands(engine: Engine, name: str, expect: Expect, text: str) -> None:
    session = await engine.open(SttOptions())
    assert await hear(session, name, expect) == text
    await session.close()


async def test_words_carry_their_times(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "hours")
    transcript = await session.flush()
    length_ms = len(clip("hours")) / 16
    assert [word.text for word in transcript.words] == transcript.text.split()
    edges = [edge for word in transcript.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert 100 < edges[0] < 400  # the clip starts with 200 ms of silence
    assert edges[-1] < length_ms
    assert transcript.confidence is None
    await session.close()


async def test_partial_text_grows_and_is_forgotten(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    assert session.partial == ""
    speak(session, "book")
    text = (await session.flush()).text
    assert session.partial == text
    session.begin()
    assert session.partial == ""
    await session.close()


async def test_a_second_flush_covers_what_came_after_a_pause(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "book")
    assert (await session.flush()).text == "i would like to book an appointment"
    speak(session, "book_rest")
    assert (await session.flush()).text == "i would like to book an appointment for next tuesday at ten"
    session.feed(bytes(FRAME_BYTES * 10))
    assert (await session.flush()).text == "i would like to book an appointment for next tuesday at ten"
    await session.close()


async def test_a_long_utterance_goes_on_in_segments(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "phone", "phone", "phone")
    first = (await session.flush()).words
    assert first[-1].end_ms > 6000
    speak(session, "hours")
    words = (await session.flush()).words
    assert words[: len(first)] == first
    assert " ".join(word.text for word in words[len(first) :]) == "when are you open on saturday"
    assert words[len(first)].start_ms > first[-1].end_ms
    await session.close()


async def test_a_cancelled_flush_leaves_the_session_usable(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "book")
    flushing = asyncio.create_task(session.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    speak(session, "book_rest")
    assert (await session.flush()).text == "i would like to book an appointment for next tuesday at ten"
    await session.close()


async def test_two_calls_do_not_mix(engine: Engine) -> None:
    one, two = await engine.open(SttOptions()), await engine.open(SttOptions())
    one.begin()
    two.begin(Expect.PHONE)
    ours, theirs = clip("hours"), clip("phone")
    for at in range(0, max(len(ours), len(theirs)), FRAME_BYTES):
        one.feed(ours[at : at + FRAME_BYTES])
        two.feed(theirs[at : at + FRAME_BYTES])
    first, second = await asyncio.gather(one.flush(), two.flush())
    assert first.text == "when are you open on saturday"
    assert second.text == "five five five one two three four"
    await one.close()
    await two.close()


async def test_end_drops_what_was_said(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "book")
    session.end()
    assert (await session.flush()).text == ""
    assert await hear(session, "hours") == "when are you open on saturday"
    await session.close()


async def test_silence_has_no_words(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    assert (await session.flush()).text == ""
    session.feed(bytes(16000))
    assert (await session.flush()).text == ""
    await session.close()


async def test_a_dead_worker_fails_the_utterance_and_the_next_call_works(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "book")
    flushing = asyncio.create_task(session.flush())
    await asyncio.sleep(0)
    assert session.worker.pid is not None
    os.kill(session.worker.pid, signal.SIGKILL)
    with pytest.raises(StageError) as caught:
        await flushing
    assert (caught.value.stage, caught.value.provider, caught.value.remedy) == ("stt", "pocketsphinx", Remedy.RETRY)
    speak(session, "book_rest")  # the dead utterance: never raises
    with pytest.raises(StageError):
        await session.flush()
    another = await engine.open(SttOptions())
    assert await hear(another, "hours") == "when are you open on saturday"
    assert await hear(session, "hours") == "when are you open on saturday"
    await session.close()
    await another.close()


async def test_nothing_is_left_after_close(cache: str) -> None:
    before, tasks, children = descriptors(), asyncio.all_tasks(), pids()
    engine = await make("stt", "pocketsphinx", {"cache": cache, "workers": 2, "ready_decoders": 1}, source="test")
    assert isinstance(engine, Engine)
    session = await engine.open(SttOptions())
    session.begin()
    speak(session, "hours")
    assert len(pids() - children) == 2
    await session.close()
    await engine.close()
    assert pids() - children == set()
    assert asyncio.all_tasks() == tasks
    assert descriptors() <= before + 1  # the loop may keep its child watcher


async def test_closing_twice_and_flushing_after_close_are_harmless(engine: Engine) -> None:
    session = await engine.open(SttOptions())
    await session.close()
    await session.close()
    session.feed(bytes(FRAME_BYTES))
    assert (await session.flush()).text == ""


async def test_an_agents_own_words_get_a_sound(engine: Engine) -> None:
    options = SttOptions(phrases=("Parking at Zyxwold", "Is there parking at Zyxwold?"))
    await engine.prepare(options)
    known = (await engine.models(options.phrases) / "words.dict").read_text()
    assert "zyxwold Z " in known
    session = await engine.open(options)
    assert await hear(session, "hours") == "when are you open on saturday"
    await session.close()


async def test_a_first_call_does_not_wait_for_its_models(cache: str) -> None:
    engine = await make(
        "stt", "pocketsphinx", {"cache": cache, "workers": 1, "ready_decoders": 1, "build_wait_s": 0}, source="test"
    )
    assert isinstance(engine, Engine)
    session = await engine.open(SttOptions(phrases=("a phrase nobody has built models for",)))
    assert await hear(session, "hours") == "when are you open on saturday"
    await session.close()
    await engine.close()


async def test_other_languages_are_refused_by_name(engine: Engine) -> None:
    with pytest.raises(EngineMissing, match=r'"de".*faster-whisper'):
        await engine.open(SttOptions(language="de"))
    await (await engine.open(SttOptions(language=""))).close()
    session = await engine.open(SttOptions(language="en-GB"))
    await session.close()


async def test_other_rates_are_refused(engine: Engine) -> None:
    with pytest.raises(StageError, match="44100"):
        await engine.open(SttOptions(rate_hz=44100))


async def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers"):
        await make("stt", "pocketsphinx", {"workers": -1}, source="agent.yaml")
