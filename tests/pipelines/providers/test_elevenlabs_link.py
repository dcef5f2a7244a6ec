"""A connection to ElevenLabs against servers that are not quite in order, and the small parts around it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.errors import Remedy, StageError
from pipelines.providers import _elevenlabs_link as link_module
from pipelines.providers._elevenlabs_audio import Wire
from pipelines.providers._elevenlabs_link import Account, Link
from pipelines.providers._elevenlabs_places import Places
from pipelines.providers._elevenlabs_words import Aligner
from pipelines.secrets import Secret

Handler = Callable[[ServerConnection], Awaitable[None]]


class Recorder:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.error: asyncio.Future[StageError] = asyncio.get_running_loop().create_future()

    def message(self, data: bytes) -> None:
        self.messages.append(data)

    def lost(self, error: StageError) -> None:
        self.error.set_result(error)  # told twice: InvalidStateError


@asynccontextmanager
async def linked(handler: Handler) -> AsyncIterator[tuple[Link, Recorder]]:
    async with asyncio.timeout(10), serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        recorder = Recorder()
        link = Link("/path?a=b", Account("tts", f"http://127.0.0.1:{port}/", Secret("env:X", "the-key")), recorder)
        try:
            yield link, recorder
        finally:
            link.close()
            await link.closed()


async def test_a_message_in_fragments_is_one() -> None:
    async def handler(server: ServerConnection) -> None:
        assert server.request is not None
        assert server.request.headers["xi-api-key"] == "the-key"
        assert server.request.path == "/path?a=b"
        await server.recv()
        await server.send(["one ", "mess", "age"])
        await server.send("another")

    async with linked(handler) as (link, recorder):
        link.send({"text": "sent before it was open"})
        error = await recorder.error
        assert recorder.messages == [b"one message", b"another"]
        assert error.remedy is Remedy.RETRY


async def test_a_binary_message_is_none_of_the_protocol() -> None:
    async with linked(lambda server: server.send(b"\x00")) as (_, recorder):
        assert "binary" in (await recorder.error).message


async def test_a_message_that_is_too_large_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "LARGEST_MESSAGE", 1000)
    for size in ("x" * 2000, ["x" * 600] * 3):
        async with linked(lambda server, size=size: server.send(size)) as (_, recorder):  # type: ignore[misc]
            assert (await recorder.error).remedy is Remedy.RETRY
            assert not recorder.messages


@pytest.mark.parametrize(("code", "remedy"), [(1008, Remedy.SWITCH), (1011, Remedy.RETRY), (1000, Remedy.RETRY)])
async def test_a_closing_is_told_with_its_reason(code: int, remedy: Remedy) -> None:
    async with linked(lambda server: server.close(code, "no the-key")) as (_, recorder):
        error = await recorder.error
        assert error.message == f"tts/elevenlabs: closed with {code}: no …"
        assert error.remedy is remedy


async def test_what_is_no_websocket_is_told() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with asyncio.timeout(10), server:
        recorder = Recorder()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        link = Link("/", Account("stt", url, Secret()), recorder)
        assert (await recorder.error).stage == "stt"
        await link.opened()
        assert not link.is_open
        await link.closed()


@pytest.mark.parametrize("url", ["nonsense", "http://" + "a" * 70 + ".invalid", "http://127.0.0.1:1"])
async def test_an_address_that_is_none(url: str) -> None:
    recorder = Recorder()
    link = Link("/", Account("tts", url, Secret()), recorder)
    async with asyncio.timeout(10):
        assert "cannot connect" in (await recorder.error).message
        await link.closed()


async def test_a_server_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "OPEN_S", 0.01)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with asyncio.timeout(10), server:
        recorder = Recorder()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        link = Link("/", Account("tts", url, Secret()), recorder)
        assert (await recorder.error).remedy is Remedy.RETRY
        await link.closed()


async def test_closing_before_it_is_open_leaves_nothing() -> None:
    left = asyncio.Event()
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with asyncio.timeout(10), server:
        recorder = Recorder()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        link = Link("/", Account("tts", url, Secret()), recorder)
        await asked.wait()
        link.close()
        await link.closed()
        await left.wait()
        assert not recorder.error.done()


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (TELEPHONE, "ulaw_8000"),
        (AudioFormat(Codec.ALAW, 8000), "alaw_8000"),
        (AudioFormat(Codec.PCM16, 8000), "pcm_8000"),
        (AudioFormat(Codec.PCM16, 16000), "pcm_16000"),
        (AudioFormat(Codec.PCM16, 24000), "pcm_24000"),
        (AudioFormat(Codec.PCM16, 11025), "pcm_16000"),
        (AudioFormat(Codec.PCM16, 48000), "pcm_24000"),
        (AudioFormat(Codec.ULAW, 16000), "pcm_16000"),
    ],
)
def test_the_format_asked_for(wanted: AudioFormat, name: str) -> None:
    wire = Wire(wanted)
    assert wire.name == name
    native_hz = int(name.partition("_")[2])
    second = bytes(native_hz * (2 if name.startswith("pcm") else 1))
    made = b"".join(wire.feed(base64.b64encode(second[at : at + 333]).decode()) for at in range(0, len(second), 333))
    made += wire.end()
    assert wire.received_ms == pytest.approx(1000)
    assert wanted.duration_ms(len(made)) == pytest.approx(1000, abs=1)


def test_what_is_no_audio() -> None:
    with pytest.raises(ValueError, match="base64"):
        Wire(TELEPHONE).feed("***")


def test_words_of_pieces() -> None:
    aligner = Aligner("Hello dear world")
    assert aligner.feed([(" ", 0, 5), ("H", 5, 10), ("el", 10, 20)]) == ()
    words = aligner.feed([("lo", 18, 30), (" ", 30, 40), ("dear", 40, 50), (" ", 50, 60), ("worl", 60, 90)])
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [("Hello", 5, 30), ("dear", 40, 50)]
    assert not aligner.complete
    assert [word.text for word in aligner.feed([("d", 90, 95)])] == ["world"]
    assert aligner.complete
    assert aligner.rest() == ()


async def test_places_are_given_in_order() -> None:
    places = Places(1)
    await places.take()
    order: list[int] = []

    async def enter(number: int) -> None:
        await places.take()
        order.append(number)
        places.give_back()

    tasks = [asyncio.create_task(enter(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert places.backlog_ms > 0
    tasks[1].cancel()
    places.give_back()
    await asyncio.wait(tasks)
    assert order == [0, 2, 3]
    assert places.backlog_ms == 0.0
