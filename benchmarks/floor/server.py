"""The least that can answer on Twilio's protocol: the denominator of every capacity figure.

picows, one typed decode, mu-law look-up, webrtcvad and a silence timer in the receive callback; a pre-encoded answer
after the wait that the real engines would take. No record, no turn taking, no recogniser, no marks. Run as
`python -m benchmarks.floor.server --port 9000`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
from binascii import b2a_base64

import msgspec
import uvloop
import webrtcvad
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from pipelines.audio import TELEPHONE, Codec, to_pcm16
from pipelines.providers.simulated import _hum

FRAME_MS = 20
CHUNK_MS = 100
AHEAD_MS = 200
MIN_SPEECH_FRAMES = 3


class _Body(msgspec.Struct, gc=False):
    payload: bytes


class _Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    media: _Body


class _StartBody(msgspec.Struct, rename="camel"):
    stream_sid: str


class _Start(msgspec.Struct, tag_field="event", tag="start"):
    start: _StartBody


class _Connected(msgspec.Struct, tag_field="event", tag="connected"):
    pass


class _Mark(msgspec.Struct, tag_field="event", tag="mark"):
    pass


class _Stop(msgspec.Struct, tag_field="event", tag="stop"):
    pass


_decode = msgspec.json.Decoder(_Media | _Start | _Connected | _Mark | _Stop).decode


class Answer(msgspec.Struct, frozen=True):
    """One answer in base64, and when a call gives it."""

    chunks: tuple[bytes, ...]
    silence_frames: int
    wait_s: float


class FloorCall(WSListener):
    """One call: voiced frames, then enough silence, then the answer on absolute deadlines."""

    def __init__(self, answer: Answer, loop: asyncio.AbstractEventLoop) -> None:
        self._answer = answer
        self._loop = loop
        self._vad = webrtcvad.Vad(3)
        self._voiced = 0
        self._silent = 0
        self._busy = False
        self._transport: WSTransport | None = None
        self._head = b""
        self._begin_s = 0.0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()
            return
        message = _decode(frame.get_payload_as_memoryview())
        if type(message) is _Media:
            self._hear(to_pcm16(message.media.payload, Codec.ULAW))
        elif type(message) is _Start:
            self._transport = transport
            self._head = b'{"event":"media","streamSid":"%b","media":{"payload":"' % message.start.stream_sid.encode()
            self._speak(0)  # the greeting

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None

    def _hear(self, pcm: bytes) -> None:
        if self._vad.is_speech(pcm, 8000):
            self._voiced += 1
            self._silent = 0
        elif self._voiced >= MIN_SPEECH_FRAMES:
            self._silent += 1
            if self._silent >= self._answer.silence_frames and not self._busy:
                self._voiced = self._silent = 0
                self._busy = True
                self._loop.call_later(self._answer.wait_s, self._speak, 0)
        else:
            self._voiced = 0

    def _speak(self, index: int) -> None:
        """Send what is due; the first chunks at once, the others ahead of being heard."""
        chunks = self._answer.chunks
        if index == 0:
            self._begin_s = self._loop.time()
        while index < len(chunks) and self._transport is not None:
            due_s = self._begin_s + (index * CHUNK_MS - AHEAD_MS) / 1000.0
            if due_s > self._loop.time():
                self._loop.call_at(due_s, self._speak, index)
                return
            self._transport.send(WSMsgType.TEXT, self._head + chunks[index] + b'"}}')
            index += 1
        self._busy = False


def make_answer(answer_ms: float, silence_ms: float, wait_ms: float) -> Answer:
    hum = _hum(TELEPHONE)
    speech = (hum * (int(answer_ms) // 200 + 1))[: int(answer_ms) // FRAME_MS * FRAME_MS * 8]
    size = CHUNK_MS * 8
    chunks = tuple(b2a_base64(speech[at : at + size], newline=False) for at in range(0, len(speech), size))
    return Answer(chunks, int(silence_ms) // FRAME_MS, wait_ms / 1000.0)


async def serve(port: int, answer: Answer) -> None:
    loop = asyncio.get_running_loop()
    server = await ws_create_server(lambda _: FloorCall(answer, loop), "127.0.0.1", port, backlog=1024)
    gc.collect()
    gc.freeze()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--silence-ms", type=float, default=420.0, help="after the last voiced frame")
    parser.add_argument("--wait-ms", type=float, default=330.0, help="of the engines that are not there")
    parser.add_argument("--answer-ms", type=float, default=3600.0)
    arguments = parser.parse_args()
    answer = make_answer(arguments.answer_ms, arguments.silence_ms, arguments.wait_ms)
    uvloop.run(serve(arguments.port, answer))


if __name__ == "__main__":
    main()
