"""One life of a worker process, seen through its socket: frames in, frames out, and why it ended.

Knows neither how the process was started nor what becomes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import msgspec

from pipelines.errors import EngineMissing, StageError
from pipelines.worker_child import FATAL, HEADER, READY

M = TypeVar("M")


class WorkerSpec(msgspec.Struct, frozen=True):
    """How to start a worker, and whose errors it raises."""

    module: str  # with `if __name__ == "__main__": serve(...)`
    stage: str
    provider: str
    arguments: tuple[str, ...] = ()
    nice: int = 0  # added to the scheduling priority, so that media comes first
    start_timeout_s: float = 20.0
    close_timeout_s: float = 2.0  # from the end of its input to a kill
    max_unsent_bytes: int = 4 << 20
    max_frame_bytes: int = 64 << 20
    # Back-off between restarts: at once after a life of `stable_s`, doubling for a worker that keeps dying.
    backoff_s: float = 0.05
    max_backoff_s: float = 5.0
    stable_s: float = 10.0

    def error(self, reason: str, kind: type[StageError] = StageError) -> StageError:
        return kind(reason, stage=self.stage, provider=self.provider)


class Link(asyncio.Protocol, Generic[M]):
    """The parent's end. Calls `received` for every message, on the event loop."""

    def __init__(self, spec: WorkerSpec, decoder: msgspec.msgpack.Decoder[M], received: Callable[[M], None]) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[StageError | None] = loop.create_future()  # None: it can work
        self.ended: asyncio.Future[None] = loop.create_future()
        self.failure: StageError | None = None  # why we hung up on it
        self._spec = spec
        self._decoder = decoder
        self._received = received
        self._encoder = msgspec.msgpack.Encoder()
        self._bytes = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none of its subclasses
        self._transport = transport

    def send(self, message: msgspec.Struct) -> None:
        payload = self._encoder.encode(message)
        unsent = self.transport.get_write_buffer_size()
        if unsent + len(payload) > self._spec.max_unsent_bytes:
            raise self._spec.error(f"worker process does not read: {unsent} bytes are unsent")
        self.transport.write(HEADER.pack(len(payload)) + payload)

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        start = 0
        try:
            while len(self._bytes) - start >= HEADER.size:
                (size,) = HEADER.unpack_from(self._bytes, start)
                body = start + HEADER.size
                end = body + (size & ~FATAL)
                if end - body > self._spec.max_frame_bytes:
                    self.hang_up(f"worker process sent a frame of {end - body} bytes")
                    return
                if len(self._bytes) < end:
                    break
                self._frame(size, bytes(self._bytes[body:end]))
                start = end
        except msgspec.DecodeError as error:
            self.hang_up(f"worker process sent what we do not understand: {error}")
            return
        del self._bytes[:start]

    def _frame(self, size: int, payload: bytes) -> None:
        if size == READY:
            self.ready.set_result(None)
        elif size & FATAL:
            self.failure = self._spec.error(payload.decode(), EngineMissing)
        else:
            self._received(self._decoder.decode(payload))

    def hang_up(self, reason: str) -> None:
        self.failure = self._spec.error(reason)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_result(self.failure or self._spec.error("worker process died at start"))
        self.ended.set_result(None)
