"""Whole calls over the carrier's protocol with cloud engines: real adapters, SDKs, sockets; the providers emulated."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from media_server import House, Serve, events

from benchmarks.emulators.__main__ import ANSWER, TRANSCRIPT, settings
from benchmarks.emulators.base import Emulator, Fault
from benchmarks.emulators.cartesia import CartesiaEmulator
from benchmarks.emulators.deepgram import DeepgramEmulator
from benchmarks.emulators.elevenlabs import ElevenLabsEmulator
from benchmarks.emulators.openai import OpenaiEmulator
from config.schema import PipelineSettings
from pipelines.events import EventKind
from voicecore.phone.caller import Manners

PATIENT = Manners(answer_pause_ms=300, greeting_timeout_ms=4000, answer_timeout_ms=8000)
SILENCE_MS = 2500  # TurnPolicy.unexplained_silence_ms
GREETING = "Welcome to Demo."


class Cloud:
    """All four providers, and a pipeline of them."""

    def __init__(self, folder: Path) -> None:
        self.openai = OpenaiEmulator(first_s=0.1, keys=("sk-of-an-emulator",))
        self.openai.say(ANSWER)
        self.spare = OpenaiEmulator(first_s=0.1, keys=("sk-of-an-emulator",))
        self.spare.say("The other model says hello.")
        self.deepgram = DeepgramEmulator(first_s=0.05)
        self.deepgram.transcript = self.openai.transcript = TRANSCRIPT
        self.elevenlabs, self.cartesia = ElevenLabsEmulator(first_s=0.05), CartesiaEmulator(first_s=0.05)
        self._folder = folder

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.openai, self.spare, self.deepgram, self.elevenlabs, self.cartesia))

    @property
    def pipeline(self) -> PipelineSettings:
        named: dict[str, Emulator] = {
            "openai": self.openai,
            "deepgram": self.deepgram,
            "elevenlabs": self.elevenlabs,
            "cartesia": self.cartesia,
        }
        written = settings({name: one.url for name, one in named.items()}, self._folder / "key")
        pipeline = msgspec.convert(written["pipelines"]["cloud"], PipelineSettings)  # type: ignore[index]
        spare = msgspec.structs.replace(
            pipeline.llm, options={**pipeline.llm.options, "base_url": f"{self.spare.url}/v1"}
        )
        return msgspec.structs.replace(pipeline, llm=msgspec.structs.replace(pipeline.llm, fallback=(spare,)))


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    made = Cloud(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        for emulator in made:
            await stack.enter_async_context(emulator)
        yield made


@pytest.fixture
async def house(serve: Serve, cloud: Cloud) -> House:
    return await serve(pipeline="cloud", pipelines={"cloud": cloud.pipeline})


async def test_a_call_from_greeting_to_answer(house: House, cloud: Cloud) -> None:
    result = await house.call(turns=2, manners=PATIENT)
    detail = await house.ended(result.identity.call_sid)
    assert [turn.answered for turn in result.turns] == [True, True]
    assert [turn.heard_text for turn in detail.turns] == [GREETING, ANSWER, ANSWER]
    assert [turn.caller_text for turn in detail.turns[1:]] == [TRANSCRIPT] * 2
    assert not events(detail, EventKind.STAGE_FAILED)
    assert "ulaw_8000" in str(cloud.elevenlabs.requests)
    for emulator in cloud:
        assert emulator.open_streams == 0


async def test_connections_are_there_before_the_caller_is_answered(house: House, cloud: Cloud) -> None:
    """Between the greeting and the first answer nobody waits for a handshake: what is needed was opened before."""
    await house.call(manners=PATIENT)
    opened = sum(emulator.connections for emulator in cloud)
    await house.call(manners=PATIENT)
    more = sum(emulator.connections for emulator in cloud) - opened
    assert more <= 1, "a second call opens its recogniser's socket and takes everything else from the pool"


@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STALL])
async def test_the_primary_dies_and_the_caller_is_answered(
    house: House, cloud: Cloud, stage: str, fault: Fault
) -> None:
    primary: Emulator = {"stt": cloud.deepgram, "llm": cloud.openai, "tts": cloud.elevenlabs}[stage]
    primary.fault = fault
    result = await house.call(manners=PATIENT)
    detail = await house.ended(result.identity.call_sid)
    assert [turn.answered for turn in result.turns] == [True]
    latency_ms = detail.turns[-1].response_latency_ms
    assert latency_ms is not None
    assert latency_ms <= SILENCE_MS
    failed = [data["stage"] for data in events(detail, EventKind.STAGE_FAILED)]
    hedged = [data["stage"] for data in events(detail, EventKind.STAGE_HEDGED)]
    benched = [data["stage"] for data in events(detail, EventKind.STAGE_BENCHED)]
    assert stage in {*failed, *hedged, *benched}, "it is on the record"
    wanted = {"stt": ANSWER, "tts": ANSWER, "llm": "The other model says hello."}[stage]
    assert detail.turns[-1].heard_text.endswith(wanted)
