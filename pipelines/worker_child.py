"""The child's half of a worker: messages in and out of the inherited socket, blocking and single-threaded.

Imports nothing heavy, because a worker's start is somebody's wait. It knows no engine.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

# A frame on the wire is a little-endian length and that many bytes of msgpack. Two lengths are not messages:
HEADER = struct.Struct("<I")
READY = 0  # an empty frame: the child can work now
FATAL = 0x8000_0000  # this bit: the rest of the frame is a text that says why the child cannot work

_READ_BYTES = 1 << 16

M = TypeVar("M")


class ParentGone(Exception):
    """The other end closed the socket, or died: nobody is waiting for an answer."""


class CannotWork(Exception):
    """A library, a model or a voice that the engine needs is missing. The text reaches the operator."""


class Channel(Generic[M]):
    """The socket to the parent. Every method raises ParentGone once the parent has closed it."""

    def __init__(self, sock: socket.socket, decoder: msgspec.msgpack.Decoder[M]) -> None:
        self._sock = sock
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()
        self._bytes = bytearray()
        self.inbox: deque[M] = deque()  # arrived, not yet taken

    def send(self, message: msgspec.Struct) -> None:
        """Blocks while the parent does not read."""
        payload = self._encoder.encode(message)
        self._write(HEADER.pack(len(payload)) + payload)

    def pump(self) -> deque[M]:
        """Whatever has arrived by now goes to the inbox, without waiting; returns the inbox."""
        while select.select([self._sock], [], [], 0)[0]:
            self._read()
        return self.inbox

    def next(self) -> M:
        """The oldest message; waits for one."""
        self.pump()
        while not self.inbox:
            self._read()
        return self.inbox.popleft()

    def take(self) -> list[M]:
        """All messages that have arrived, at least one: waits for it."""
        messages = [self.next()]
        messages.extend(self.inbox)
        self.inbox.clear()
        return messages

    def announce_ready(self) -> None:
        self._write(HEADER.pack(READY))

    def announce_fatal(self, reason: str) -> None:
        text = reason.encode()
        self._write(HEADER.pack(FATAL | len(text)) + text)

    def _write(self, frame: bytes) -> None:
        try:
            self._sock.sendall(frame)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ParentGone from error

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except ConnectionResetError as error:
            raise ParentGone from error
        if not data:
            raise ParentGone
        self._bytes += data
        start = 0
        while len(self._bytes) - start >= HEADER.size:
            (size,) = HEADER.unpack_from(self._bytes, start)
            end = start + HEADER.size + size
            if len(self._bytes) < end:
                break
            self.inbox.append(self._decoder.decode(bytes(self._bytes[start + HEADER.size : end])))
            start = end
        del self._bytes[:start]


Loop = Callable[[Channel[M]], None]


def serve(decoder: msgspec.msgpack.Decoder[M], prepare: Callable[[Sequence[str]], Loop[M]]) -> None:
    """The `main` of a worker module; returns when the parent is gone.

    `prepare` gets the arguments that the parent gave and loads the engine; it may raise CannotWork or
    ImportError. What it returns is called once with the channel, and runs until that raises ParentGone.
    """
    # Ctrl-C in the parent's terminal is the parent's business: it closes the socket when it is ready to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, niceness, *arguments = sys.argv[1:]
    if int(niceness):
        os.nice(int(niceness))
    with socket.socket(fileno=int(descriptor)) as sock:
        channel = Channel(sock, decoder)
        try:
            try:
                loop = prepare(arguments)
            except (CannotWork, ImportError) as error:
                channel.announce_fatal(str(error))
                return
            channel.announce_ready()
            loop(channel)
        except ParentGone:
            return
