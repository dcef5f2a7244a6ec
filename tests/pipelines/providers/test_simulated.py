"""The simulated engines in virtual time: they take exactly what their options say."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
import yaml

from config.schema import PipelineSettings
from pipelines.audio import TELEPHONE, AudioFormat, Codec, to_pcm16
from pipelines.errors import ConfigError, StageError
from pipelines.registry import load, make
from pipelines.stages import LlmRequest, Message, SttOptions, TextDelta, Usage, Voice

T = TypeVar("T")

SHIPPED = Path(__file__).parents[3] / "config" / "pipelines"


class _Jumping(selectors.DefaultSelector):
    """Nothing is awaited but timers: instead of sleeping, time goes on."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def virtually(main: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await main()

    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(run())


def now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


async def engine(stage: str, **options: Any) -> Any:
    return await make(stage, "simulated", {stage: options}, source="test")


def request(*texts: str) -> LlmRequest:
    return LlmRequest([Message("user", text) for text in texts], [])


def test_a_transcript_takes_its_time_and_comes_in_turn() -> None:
    async def main() -> None:
        stt = await engine("stt", finish_ms=80, texts=["one", "two"])
        session = await stt.open(SttOptions())
        for expected in ("one", "two", "one"):
            session.begin()
            session.feed(b"\0" * 320)
            started_ms = now_ms()
            assert (await session.flush()).text == expected
            assert now_ms() - started_ms == pytest.approx(80, abs=0.01)
            session.feed(b"\0" * 320)
            assert (await session.flush()).text == expected  # still the same utterance
            session.end()
        await session.close()
        await stt.close()

    virtually(main)


def test_nothing_heard_is_nothing_understood() -> None:
    async def main() -> str:
        session = await (await engine("stt")).open(SttOptions())
        session.begin()
        return str((await session.flush()).text)

    assert virtually(main) == ""


def test_tokens_come_at_their_rate() -> None:
    async def main() -> None:
        llm = await engine("llm", first_token_ms=300, tokens_per_s=50, texts=["first answer", "a b c d e f"])
        started_ms = now_ms()
        events = [(now_ms() - started_ms, event) async for event in llm.stream(request("x", "y"))]
        tokens = [(at, event.text) for at, event in events if isinstance(event, TextDelta)]
        assert "".join(text for _, text in tokens) == "a b c d e f"
        assert [at for at, _ in tokens] == pytest.approx([300 + 20 * n for n in range(6)], abs=0.01)
        assert events[-1][1] == Usage(input_tokens=2, output_tokens=6)
        first = [event async for event in llm.stream(request("x"))]
        assert first[0] == TextDelta("first ")
        await llm.close()

    virtually(main)


def test_speech_is_paced_and_exactly_as_long_as_asked() -> None:
    async def main() -> None:
        tts = await engine("tts", first_audio_ms=150, realtime_factor=4, speech_ms=900)
        started_ms = now_ms()
        chunks = [(now_ms() - started_ms, chunk) async for chunk in tts.synthesize("Hi.", Voice(), TELEPHONE)]
        assert [at for at, _ in chunks] == pytest.approx([150 + 50 * n for n in range(5)], abs=0.01)
        assert sum(len(chunk.audio) for _, chunk in chunks) == 900 * 8
        await tts.close()

    virtually(main)


def test_speech_lasts_by_its_characters_and_speed() -> None:
    async def main() -> list[int]:
        tts = await engine("tts", ms_per_character=50)
        return [
            sum([len(chunk.audio) async for chunk in tts.synthesize("x" * 40, Voice(speed=speed), TELEPHONE)])
            for speed in (1.0, 2.0)
        ]

    assert virtually(main) == [2000 * 8, 1000 * 8]


@pytest.mark.parametrize("audio_format", [TELEPHONE, AudioFormat(Codec.PCM16, 24000)])
def test_the_hum_is_audible_from_its_first_sample_and_has_no_seams(audio_format: AudioFormat) -> None:
    async def main() -> bytes:
        tts = await engine("tts", speech_ms=1000)
        return b"".join([chunk.audio async for chunk in tts.synthesize("Hi.", Voice(), audio_format)])

    samples = np.frombuffer(to_pcm16(virtually(main), audio_format.codec), np.int16).astype(np.int32)
    assert abs(samples[0]) > 3000
    steps = np.abs(np.diff(samples))
    piece = audio_format.rate_hz // 5
    seams = steps[[piece * n - 1 for n in range(1, 5)]]
    assert seams.max() <= steps.max()
    assert np.abs(samples).max() < 0.55 * 32768


def test_jitter_and_failures_are_the_same_for_the_same_seed() -> None:
    async def outcomes(seed: int) -> list[float | str]:
        stt = await engine("stt", finish_ms=50, jitter_ms=40, failure_rate=0.4, seed=seed)
        found: list[float | str] = []
        for _ in range(20):
            session = await stt.open(SttOptions())
            session.begin()
            started_ms = now_ms()
            try:
                await session.flush()
                found.append(round(now_ms() - started_ms, 6))
            except StageError:
                found.append("failed")
        return found

    first, again, other = (virtually(lambda seed=seed: outcomes(seed)) for seed in (1, 1, 2))  # type: ignore[misc]
    assert first == again
    assert first != other
    waits = [wait for wait in first if isinstance(wait, float)]
    assert 4 <= first.count("failed") <= 13
    assert min(waits) >= 50
    assert max(waits) <= 90
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("stage", ["llm", "tts"])
def test_every_stage_can_be_made_to_fail(stage: str) -> None:
    async def main() -> None:
        made = await engine(stage, failure_rate=1.0)
        answers = made.stream(request("x")) if stage == "llm" else made.synthesize("Hello.", Voice(), TELEPHONE)
        with pytest.raises(StageError) as caught:
            await anext(answers)
        assert caught.value.stage == stage

    virtually(main)


def test_closing_early_waits_for_nothing() -> None:
    async def main() -> float:
        tts = await engine("tts", realtime_factor=1)
        started_ms = now_ms()
        speech = tts.synthesize("A long text. " * 100, Voice(), TELEPHONE)
        await anext(speech)
        await speech.aclose()
        return now_ms() - started_ms

    assert virtually(main) == pytest.approx(120, abs=0.01)


def test_a_hundred_calls_cost_next_to_nothing() -> None:
    async def call(stt: Any, llm: Any, tts: Any) -> int:
        session = await stt.open(SttOptions())
        session.begin()
        session.feed(b"\0" * 320)
        text = (await session.flush()).text
        reply = "".join([e.text async for e in llm.stream(request(text)) if isinstance(e, TextDelta)])
        return sum([len(chunk.audio) async for chunk in tts.synthesize(reply, Voice(), TELEPHONE)])

    async def main() -> list[int]:
        engines = [await engine(stage) for stage in ("stt", "llm", "tts")]
        return list(await asyncio.gather(*(call(*engines) for _ in range(100))))

    started_s = time.process_time()
    sizes = virtually(main)
    assert time.process_time() - started_s < 2
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("name", ["embedded", "simulated"])
def test_the_shipped_pipelines_name_providers_and_options_that_there_are(name: str) -> None:
    settings = msgspec.convert(
        yaml.safe_load((SHIPPED / f"{name}.yaml").read_text("utf-8")), PipelineSettings, strict=True
    )
    for stage in ("vad", "stt", "llm", "tts"):
        chosen = getattr(settings, stage)
        spec = load(chosen.provider, source=name)
        assert stage in spec.stages()
        msgspec.convert(chosen.options, spec.options)


async def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="finish"):
        await make("stt", "simulated", {"stt": {"finish": 5}}, source="test")
    with pytest.raises(ConfigError, match="failure_rate"):
        await make("stt", "simulated", {"stt": {"failure_rate": 2}}, source="test")
