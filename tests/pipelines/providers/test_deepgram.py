"""Deepgram over its emulator: what the contract of all recognisers and voices does not ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cloud_contract import PATIENCE_S, everything, soon

from benchmarks.emulators.base import Fault
from benchmarks.emulators.deepgram import DeepgramEmulator
from benchmarks.emulators.speech import tone
from pipelines.abilities import HearsTurns, TurnEvent, TurnSign, Warmable
from pipelines.audio import TELEPHONE, AudioFormat, Codec, silence
from pipelines.errors import Remedy, StageError
from pipelines.providers import _socket, _stream_session, deepgram
from pipelines.registry import make
from pipelines.stages import SttOptions, SttSession, Voice

LINE = AudioFormat(Codec.PCM16, 8000)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "key-4711")


@asynccontextmanager
async def engine(stage: str, emulator: DeepgramEmulator, **options: Any) -> AsyncIterator[Any]:
    made = await make(stage, "deepgram", {"base_url": emulator.url, **options}, source="test")
    yield made
    await made.close()


@asynccontextmanager
async def call(
    emulator: DeepgramEmulator, wanted: SttOptions | None = None, **options: Any
) -> AsyncIterator[SttSession]:
    async with engine("stt", emulator, **options) as stt:
        session = await soon(stt.open(wanted or SttOptions()))
        yield session
        await session.close()


def feed(session: SttSession, pcm: bytes) -> None:
    for at in range(0, len(pcm), 320):
        session.feed(pcm[at : at + 320])


def say(session: SttSession, ms: int = 600) -> None:
    feed(session, tone(LINE, ms))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


# --- Nova --------------------------------------------------------------------------------------------


async def test_hypotheses_come_while_the_caller_speaks() -> None:
    async with DeepgramEmulator() as emulator, call(emulator) as session:
        session.begin()
        say(session, 500)
        await until(lambda: session.partial != "")
        assert "I would like to book".startswith(session.partial)


async def test_words_have_times_in_their_utterance() -> None:
    async with DeepgramEmulator() as emulator, call(emulator) as session:
        for text in ("First of all.", "Second utterance."):
            emulator.transcript = text
            session.begin()
            feed(session, silence(LINE, 200))
            say(session, 600)
            words = (await soon(session.flush())).words
            assert [word.text for word in words] == text.split()
            assert words[0].start_ms == pytest.approx(200, abs=1)
            assert words[-1].end_ms == pytest.approx(800, abs=1)
            assert words[0].confidence == pytest.approx(0.98)


async def test_a_result_that_comes_late_is_not_the_next_utterances() -> None:
    async with DeepgramEmulator(first_s=0.1) as emulator, call(emulator) as session:
        emulator.transcript = "the first one"
        session.begin()
        say(session)
        flush = asyncio.create_task(session.flush())
        await soon(emulator.busy())
        flush.cancel()
        session.end()
        emulator.transcript = "the second one"
        session.begin()
        say(session)
        assert (await soon(session.flush())).text == "the second one"
        assert session.partial == "the second one"


async def test_what_was_dropped_unflushed_is_not_in_the_next_utterance() -> None:
    async with DeepgramEmulator() as emulator, call(emulator) as session:
        emulator.transcript = "cough"
        session.begin()
        say(session, 300)
        session.end()
        await until(lambda: emulator.heard_ms > 0)
        emulator.transcript = "hello there"
        session.begin()
        say(session)
        assert (await soon(session.flush())).text == "hello there"


async def test_the_connection_is_kept_alive_between_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepgram, "KEEP_ALIVE_S", 0.02)
    async with DeepgramEmulator(silent_s=0.2) as emulator, call(emulator) as session:
        await until(lambda: emulator.keep_alives > 12)
        session.begin()
        say(session)
        assert (await soon(session.flush())).text == emulator.transcript
        assert emulator.connections == 1


async def test_a_connection_that_the_provider_ended_is_made_anew_for_the_next_utterance() -> None:
    async with DeepgramEmulator(silent_s=0.02) as emulator, call(emulator) as session:
        await soon(emulator.unplugged())
        await until(lambda: session._line.socket.failed is not None)  # type: ignore[attr-defined]
        assert "NET-0001" in session._line.socket.failed.message  # type: ignore[attr-defined]
        session.begin()
        say(session)
        assert (await soon(session.flush())).text == emulator.transcript
        assert emulator.connections == 2


async def test_a_connection_that_answers_nothing_is_left_for_the_next_utterance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_stream_session, "STALE_S", 0.0)
    async with DeepgramEmulator() as emulator, call(emulator) as session:
        emulator.fault = Fault.STALL
        session.begin()
        say(session)
        flush = asyncio.create_task(session.flush())
        await soon(emulator.busy())
        flush.cancel()
        emulator.fault = Fault.NONE
        session.begin()
        say(session)
        assert (await soon(session.flush())).text == emulator.transcript
        assert emulator.connections == 2
        await until(lambda: emulator.open_sockets == 1)


async def test_audio_that_cannot_be_decoded_is_not_tried_again() -> None:
    async with DeepgramEmulator() as emulator, call(emulator, SttOptions(rate_hz=16000)) as session:
        session.begin()
        session.feed(bytes(641))
        with pytest.raises(StageError, match=r"1008: DATA-0000") as caught:
            await soon(session.flush())
        assert caught.value.remedy is Remedy.SWITCH


async def test_a_peer_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_socket, "MOST_WAITING", 100)
    async with DeepgramEmulator() as emulator, call(emulator) as session:
        session.begin()
        for _ in range(101):
            session.feed(bytes(320))  # the sender has had no chance
        with pytest.raises(StageError, match="takes nothing any more"):
            await soon(session.flush())


async def test_the_words_of_the_agent_are_told_as_key_terms() -> None:
    phrases = ("Harbor Dental", "Köln", "Köln", "I would like to make an appointment please", *map(str, range(500)))
    async with DeepgramEmulator() as emulator:
        async with call(emulator, SttOptions(phrases=phrases)):
            (asked,) = emulator.requests
            assert asked["keyterm"][:3] == ["Harbor Dental", "Köln", "0"]
            assert len(asked["keyterm"]) == 100
            assert asked["endpointing"] == ["false"]
        async with call(emulator, SttOptions(phrases=phrases), model="nova-2-phonecall"):
            assert emulator.requests[-1]["keywords"][:2] == ["Harbor Dental", "Köln"]


async def test_a_refusal_says_what_the_provider_said() -> None:
    async with DeepgramEmulator() as emulator, engine("stt", emulator, model="nova-9000") as stt:
        with pytest.raises(StageError, match="No such model") as caught:
            await soon(stt.open(SttOptions()))
        assert caught.value.remedy is Remedy.SWITCH


# --- Flux --------------------------------------------------------------------------------------------


async def test_flux_tells_the_turns_it_hears() -> None:
    signs: list[TurnSign] = []
    async with DeepgramEmulator() as emulator, call(emulator, model="flux-general-en") as session:
        assert isinstance(session, HearsTurns)
        session.hear_turns(signs.append)
        session.begin()
        say(session, 640)
        feed(session, silence(LINE, 240))
        await until(lambda: len(signs) == 1)
        assert (await soon(session.flush())).text == emulator.transcript
        emulator.add("Tomorrow.")
        say(session, 320)
        feed(session, silence(LINE, 640))
        await until(lambda: len(signs) == 4)
        assert (await soon(session.flush())).text == emulator.transcript
    assert [sign.event for sign in signs] == [
        TurnEvent.EAGER_END,
        TurnEvent.RESUMED,
        TurnEvent.EAGER_END,
        TurnEvent.END,
    ]
    assert signs[0].probability == pytest.approx(0.55)
    assert signs[1].probability < 0.1
    assert signs[3].probability == pytest.approx(0.8)


async def test_nova_tells_none() -> None:
    async with DeepgramEmulator() as emulator, call(emulator) as session:
        assert not isinstance(session, HearsTurns)


async def test_an_open_turn_ends_with_its_utterance() -> None:
    async with DeepgramEmulator() as emulator, call(emulator, model="flux-general-en") as session:
        for text in ("the first one", "the second one"):
            emulator.transcript = text
            session.begin()
            say(session, 640)
            assert (await soon(session.flush())).text == text
            session.end()


async def test_flux_knows_one_language_unless_it_is_the_one_that_knows_many() -> None:
    async with DeepgramEmulator() as emulator:
        async with engine("stt", emulator, model="flux-general-en") as stt:
            with pytest.raises(StageError, match="'de'") as caught:
                await soon(stt.open(SttOptions(language="de")))
            assert caught.value.remedy is Remedy.SWITCH
        async with call(emulator, SttOptions(language="de"), model="flux-general-multi"):
            assert emulator.requests[-1]["language_hint"] == ["de"]


async def test_the_eager_threshold_is_never_above_the_other() -> None:
    async with (
        DeepgramEmulator() as emulator,
        call(emulator, model="flux-general-en", eager_end_confidence=0.9, end_confidence=0.6),
    ):
        assert emulator.requests[-1]["eager_eot_threshold"] == ["0.6"]


# --- Aura --------------------------------------------------------------------------------------------


async def test_every_language_has_its_voice() -> None:
    async with DeepgramEmulator() as emulator, engine("tts", emulator, voices={"fr": "aura-2-agathe-fr"}) as tts:
        for language, model in (
            ("de-DE", "aura-2-viktoria-de"),
            ("fr", "aura-2-agathe-fr"),
            ("en", "aura-2-thalia-en"),
        ):
            await everything(tts.synthesize("Guten Tag.", Voice(language=language), TELEPHONE))
            assert emulator.requests[-1]["model"] == model
        with pytest.raises(StageError, match=r"options\.voices") as caught:
            await everything(tts.synthesize("Dzień dobry.", Voice(language="pl"), TELEPHONE))
        assert caught.value.remedy is Remedy.SWITCH


async def test_a_rate_that_is_not_offered_is_made_of_the_next_higher_one() -> None:
    wanted = AudioFormat(Codec.PCM16, 22050)
    async with DeepgramEmulator() as emulator, engine("tts", emulator) as tts:
        chunks = await everything(tts.synthesize("Hello there.", Voice(), wanted))
        assert emulator.requests[-1]["sample_rate"] == "24000"
        assert wanted.duration_ms(sum(len(chunk.audio) for chunk in chunks)) == pytest.approx(720, abs=2)


async def test_settings_it_does_not_know_are_refused_by_name() -> None:
    async with DeepgramEmulator() as emulator, engine("tts", emulator) as tts:
        with pytest.raises(StageError, match="'stability'"):
            await everything(tts.synthesize("Hello.", Voice(settings={"stability": 1}), TELEPHONE))


async def test_a_warm_connection_is_the_one_that_speaks() -> None:
    async with DeepgramEmulator() as emulator, engine("tts", emulator) as tts:
        assert isinstance(tts, Warmable)
        await soon(tts.warm())
        await everything(tts.synthesize("Hello.", Voice(), TELEPHONE))
        assert emulator.connections == 1
        emulator.fault = Fault.UNAUTHORIZED
        with pytest.raises(StageError, match="401"):
            await soon(tts.warm())
