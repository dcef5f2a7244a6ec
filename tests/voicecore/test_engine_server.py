"""Whisper behind OpenAI's protocol, asked by OpenAI's own client."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import threading
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import openai
import pytest
from aiohttp import web

from benchmarks.whisper_weights import SPEAKING, write_model
from pipelines import registry
from pipelines.providers.faster_whisper import Engine, make
from pipelines.secrets import Secret
from pipelines.stages import Stt, SttOptions
from pipelines.whisper.batcher import Request
from pipelines.whisper.decoder import Heard, Utterance
from pipelines.whisper.options import FasterWhisperOptions
from voicecore.cli import main
from voicecore.engine_server import EngineServer

SENTENCE = "I am the caller."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("whisper") / "model", SPEAKING, says=f" {SENTENCE}")


@asynccontextmanager
async def served(
    model: Path, key: str = "", most_waiting: int = 64
) -> AsyncIterator[tuple[openai.AsyncOpenAI, Engine, str]]:
    options = FasterWhisperOptions(
        model=str(model), device="cpu", cpu_threads=1, window_s=4, collect_ms=20, max_waiting=most_waiting
    )
    engine = await make(options)
    secret = Secret("env:KEY", key) if key else Secret()
    runner = web.AppRunner(EngineServer(engine, "our-whisper", secret).application(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key or "none", max_retries=0)
    try:
        yield client, engine, url
    finally:
        await client.close()
        await runner.cleanup()
        await engine.close()


def wav(seconds: float = 1.0, rate_hz: int = 8000, channels: int = 1, loud: int = 8000) -> bytes:
    tone = np.sin(np.arange(round(seconds * rate_hz)) * 2 * np.pi * 300 / rate_hz) * loud
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(np.repeat(tone.astype(np.int16), channels).tobytes())
    return file.getvalue()


async def test_the_client_gets_the_text_in_every_form(model: Path) -> None:
    async with served(model) as (client, _, _url):
        ask = client.audio.transcriptions.create
        file = ("speech.wav", wav(2.0), "audio/wav")
        assert (await ask(file=file, model="our-whisper", language="en")).text == SENTENCE
        assert await ask(file=file, model="whisper-1", response_format="text") == f"{SENTENCE}\n"
        verbose = await ask(
            file=file,
            model="whisper-1",
            language="de",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert (verbose.text, verbose.language, verbose.duration) == (SENTENCE, "de", pytest.approx(2.0))
        assert verbose.segments is not None
        assert verbose.words is not None
        assert [(one.start, one.end, one.text) for one in verbose.segments] == [(0.0, 2.0, SENTENCE)]
        assert [word.word for word in verbose.words] == ["I", "am", "the", "caller."]
        assert all(0 <= word.start <= word.end <= 2.1 for word in verbose.words)


async def test_the_openai_provider_of_a_gateway_is_such_a_client(model: Path) -> None:
    async with served(model) as (_, engine, url):
        options = {"base_url": f"{url}/v1", "model": "our-whisper", "api_key": "", "mode": "http"}
        remote = await registry.make("stt", "openai", options, source="test")
        assert isinstance(remote, Stt)
        before = engine.batcher.batches
        calls = [await remote.open(SttOptions(language="de", phrases=("Praxis",))) for _ in range(4)]
        for call in calls:
            call.begin()
            call.feed(wav()[44:])
        answers = await asyncio.gather(*(call.flush() for call in calls))
        assert len({answer.text for answer in answers}) == 1
        assert answers[0].text
        assert engine.batcher.batches - before < 4
        for call in calls:
            await call.close()
        await remote.close()


async def test_the_text_of_a_long_recording_is_streamed(model: Path) -> None:
    async with served(model) as (client, _, _url):
        file = ("long.wav", wav(65.0), "audio/wav")
        events = await client.audio.transcriptions.create(file=file, model="whisper-1", stream=True)
        found = [event async for event in events]
        deltas = [event.delta for event in found if event.type == "transcript.text.delta"]
        assert len(deltas) >= 3
        assert found[-1].type == "transcript.text.done"
        assert found[-1].text == "".join(deltas) == " ".join([SENTENCE] * len(deltas))


async def test_requests_of_many_clients_share_a_run(model: Path) -> None:
    async with served(model) as (client, engine, _url):
        before = engine.batcher.batches
        file = ("speech.wav", wav(), "audio/wav")
        ask = client.audio.transcriptions.create
        answers = await asyncio.gather(*(ask(file=file, model="whisper-1", language="en") for _ in range(12)))
        assert {answer.text for answer in answers} == {SENTENCE}
        assert engine.batcher.batches - before < 12


@pytest.mark.parametrize("kind", ["stereo", "24 kHz", "flac"])
async def test_files_of_any_kind(model: Path, kind: str) -> None:
    data = wav(1.0, 24000 if kind == "24 kHz" else 16000, 2 if kind == "stereo" else 1)
    if kind == "flac":
        data = flac(data)
    async with served(model) as (client, _, _url):
        answer = await client.audio.transcriptions.create(file=("a", data), model="whisper-1", language="en")
        assert answer.text == SENTENCE


def flac(data: bytes) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(target, "w", format="flac") as sink:
        stream = sink.add_stream("flac", rate=16000)
        for frame in source.decode(audio=0):
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return target.getvalue()


async def test_silence_has_no_text(model: Path) -> None:
    async with served(model) as (client, engine, _url):
        before = engine.batcher.batches
        answer = await client.audio.transcriptions.create(file=("a.wav", wav(loud=0)), model="whisper-1")
        assert answer.text == ""
        assert engine.batcher.batches == before


async def test_refusals_are_errors_that_the_client_knows(model: Path) -> None:
    async with served(model) as (client, _, url):
        ask = client.audio.transcriptions.create
        with pytest.raises(openai.NotFoundError, match="our-whisper"):
            await ask(file=("a.wav", wav()), model="other")
        with pytest.raises(openai.BadRequestError, match="language") as caught:
            await ask(file=("a.wav", wav()), model="whisper-1", language="klingon")
        assert caught.value.param == "language"
        with pytest.raises(openai.BadRequestError, match="decoded"):
            await ask(file=("a.wav", b"RIFF, but not really"), model="whisper-1")
        with pytest.raises(openai.BadRequestError, match="response_format"):
            await ask(file=("a.wav", wav()), model="whisper-1", response_format="vtt")
        with pytest.raises(openai.BadRequestError, match="600 s is the most"):
            await ask(file=("a.wav", wav(700.0)), model="whisper-1")
        with pytest.raises(openai.APIStatusError) as large:
            await ask(file=("a.wav", bytes(26 * 1024 * 1024)), model="whisper-1")
        assert large.value.status_code == 413
        async with aiohttp.ClientSession() as plain:
            for body in ({"language": "en"}, {"model": "whisper-1"}):
                async with plain.post(f"{url}/v1/audio/transcriptions", data=_form(**body)) as answer:
                    assert answer.status == 400
                    assert (await answer.json())["error"]["param"] == "file"
            async with plain.get(f"{url}/v1/nothing") as answer:
                assert answer.status == 404
                assert (await answer.json())["error"]["type"] == "invalid_request_error"


def _form(**fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    return form


async def test_a_key_is_demanded_where_there_is_one(model: Path) -> None:
    async with served(model, key="sesame") as (client, _, url):
        assert [one.id async for one in client.models.list()] == ["our-whisper"]
        assert (await client.models.retrieve("our-whisper")).owned_by == "voicecore"
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.with_options(api_key="wrong").models.list()
        assert "sesame" not in str(caught.value)
        async with aiohttp.ClientSession() as plain, plain.get(f"{url}/healthz") as answer:
            assert answer.status == 200
            assert (await answer.json())["status"] == "ok"


class Gate:
    """Holds the engine's thread, so that requests wait; tells when the queue has got one."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.queued: asyncio.Queue[None] = asyncio.Queue()
        engine.batcher._thread.submit(self.open.wait, 10)
        submit, drop = engine.batcher.submit, engine.batcher.drop
        self.dropped = asyncio.Event()

        def counted(item: Utterance, *, urgent: bool = False) -> Request[Utterance, Heard]:
            request = submit(item, urgent=urgent)
            self.queued.put_nowait(None)
            return request

        def noticed(request: Request[Utterance, Heard]) -> None:
            drop(request)
            self.dropped.set()

        monkeypatch.setattr(engine.batcher, "submit", counted)
        monkeypatch.setattr(engine.batcher, "drop", noticed)


async def test_a_full_queue_says_when_to_come_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(model, most_waiting=1) as (client, engine, _url):
        gate = Gate(engine, monkeypatch)

        async def ask() -> str:
            answer = await client.audio.transcriptions.create(file=("a.wav", wav()), model="whisper-1")
            return answer.text

        accepted = []
        for _ in range(2):  # one is being worked on, one waits
            accepted.append(asyncio.create_task(ask()))
            await gate.queued.get()
        with pytest.raises(openai.InternalServerError, match="overloaded") as caught:
            await ask()
        assert caught.value.status_code == 503
        assert caught.value.response.headers["retry-after"] == "1"
        gate.open.set()
        assert await asyncio.gather(*accepted) == [SENTENCE, SENTENCE]


async def test_a_client_that_goes_away_costs_nothing_more(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(model) as (client, engine, _url):
        gate = Gate(engine, monkeypatch)
        ask = client.audio.transcriptions.create
        task = asyncio.create_task(ask(file=("a.wav", wav(65.0)), model="whisper-1", language="en"))
        await gate.queued.get()
        task.cancel()
        await asyncio.wait([task])
        await gate.dropped.wait()
        gate.open.set()
        answer = await ask(file=("a.wav", wav()), model="whisper-1", language="en")
        assert answer.text == SENTENCE
        assert engine.batcher.dropped >= 2  # of three pieces


async def test_the_command_serves_until_it_is_told_to_stop(model: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicecore", "engine", "whisper", "--model", str(model), "--device", "cpu"),
        *("--port", "0", "--name", "w", "--api-key", "env:ENGINE_KEY", "--set", "window_s=4", "--set", "cpu_threads=1"),
        env={**os.environ, "ENGINE_KEY": "sesame"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[3]
    async with openai.AsyncOpenAI(base_url=url, api_key="sesame", max_retries=0) as client:
        assert (await client.audio.transcriptions.create(file=("a.wav", wav()), model="w")).text == SENTENCE
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "/nowhere"], "no directory /nowhere"),
        (["--set", "window_s=99"], "window_s"),
        (["--set", "windows=9"], "windows"),
        (["--host", "0.0.0.0"], "--api-key"),
        (["--api-key", "sesame"], "say where the key is"),
        (["--api-key", "env:NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "whisper", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
