"""The line between the parent and one member: whole messages over a Unix socket pair, a connection beside one.

SOCK_SEQPACKET keeps packet boundaries and carries file descriptors (unix(7)); a message that is too long for
one packet goes in several. Nothing here blocks.
"""

from __future__ import annotations

import array
import asyncio
import socket
from collections import deque
from collections.abc import Callable

import msgspec

PIECE_BYTES = 64 * 1024  # of a message, in one packet: well below the kernel's default send buffer of 208 KiB
_MORE, _LAST = b"+", b"."  # first byte of a packet: is it the last one of its message?
_FD_SIZE = array.array("i").itemsize


class Handed(msgspec.Struct, frozen=True, tag=True):
    """To a member: the connection that came with this message is yours."""


class Drain(msgspec.Struct, frozen=True, tag=True):
    """To a member: take nothing new, let calls finish within so many seconds, then leave.

    `replaced`: another takes what is new, so nothing that still arrives here has to be turned away.
    """

    seconds: float
    replaced: bool = False


class Stop(msgspec.Struct, frozen=True, tag=True):
    """To a member: leave now."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a member: it can take connections."""


class Load(msgspec.Struct, frozen=True, tag=True):
    """From a member: what it has, and how many connections it took over since it said so last."""

    calls: int
    connections: int
    taken: int


class Tell(msgspec.Struct, frozen=True, tag=True):
    """From a member, passed on to all others: something that each has to know."""

    topic: str
    value: str


class Ask(msgspec.Struct, frozen=True, tag=True):
    """From a member, passed on to all others; each gives an Answer with the same number."""

    number: int
    question: str
    argument: str = ""


class Answer(msgspec.Struct, frozen=True, tag=True):
    number: int
    value: str


class Answers(msgspec.Struct, frozen=True, tag=True):
    """To the member that asked: what the others said."""

    number: int
    values: list[str]


Message = Handed | Drain | Stop | Ready | Load | Tell | Ask | Answer | Answers
_decode = msgspec.msgpack.Decoder(Message).decode
_encode = msgspec.msgpack.Encoder().encode


class Channel:
    """One end. `received(message, connection)` is called for each message, `lost()` once at the end."""

    def __init__(
        self,
        end: socket.socket,
        received: Callable[[Message, socket.socket | None], None],
        lost: Callable[[], None],
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._received = received
        self._lost = lost
        self._unsent: deque[tuple[bytes, socket.socket | None]] = deque()  # packets
        self._begun = bytearray()  # of a message whose last packet is not there yet
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._loop.add_reader(end.fileno(), self._readable)

    def send(self, message: Message, connection: socket.socket | None = None) -> None:
        """Queue a message. `connection` is closed here once it is on its way."""
        if not self._open:
            if connection is not None:
                connection.close()
            return
        idle, data = not self._unsent, _encode(message)
        while len(data) > PIECE_BYTES:
            self._unsent.append((_MORE + data[:PIECE_BYTES], None))
            data = data[PIECE_BYTES:]
        self._unsent.append((_LAST + data, connection))
        if idle:
            self._writable()

    @property
    def is_open(self) -> bool:
        """False once it was closed, here or there."""
        return self._open

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        for _, connection in self._unsent:
            if connection is not None:
                connection.close()
        self._unsent.clear()
        self._end.close()

    def _readable(self) -> None:
        while self._open:
            try:
                data, ancillary, _, _ = self._end.recvmsg(1 + PIECE_BYTES, socket.CMSG_SPACE(_FD_SIZE))
            except BlockingIOError:
                return
            except OSError:
                data, ancillary = b"", []
            if not data:
                self.close()
                self._lost()
                return
            self._begun += data[1:]
            if data[:1] == _LAST:
                whole, self._begun = self._begun, bytearray()
                self._received(_decode(whole), _connection(ancillary))

    def _writable(self) -> None:
        while self._unsent:
            data, connection = self._unsent[0]
            try:
                if connection is None:
                    self._end.send(data)
                else:
                    socket.send_fds(self._end, [data], [connection.fileno()])
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._writable)
                return
            except OSError:
                return  # the other end is gone: reading will notice
            self._unsent.popleft()
            if connection is not None:
                connection.close()
        self._loop.remove_writer(self._end.fileno())


def _connection(ancillary: list[tuple[int, int, bytes]]) -> socket.socket | None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            return socket.socket(fileno=array.array("i", data[:_FD_SIZE])[0])
    return None
