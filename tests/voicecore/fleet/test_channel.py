"""The line between a parent and a member: both ends in this process, over a real socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import pytest
from media_server import eventually

from voicecore.fleet.channel import Answers, Channel, Handed, Load, Message, Ready, Tell


class End:
    """One end, and what it has received."""

    def __init__(self, end: socket.socket) -> None:
        self.messages: list[Message] = []
        self.connections: list[socket.socket] = []
        self.lost = 0
        self.channel = Channel(end, self._received, self._lost)

    def _received(self, message: Message, connection: socket.socket | None) -> None:
        self.messages.append(message)
        if connection is not None:
            self.connections.append(connection)

    def _lost(self) -> None:
        self.lost += 1


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def line() -> Iterator[tuple[End, End]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends = End(ours), End(theirs)
    try:
        yield ends
    finally:
        for end in ends:
            end.channel.close()
            for connection in end.connections:
                connection.close()


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and the server's side of its connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        yield client, listener.accept()[0]


async def test_messages_arrive_whole_and_in_order() -> None:
    with line() as (parent, member):
        sent: list[Message] = [Tell("topic", f"{number}:" + "x" * (number * 37 % 3000)) for number in range(500)]
        for message in sent:
            parent.channel.send(message)
        member.channel.send(Load(3, 4, 5))
        await eventually(lambda: len(member.messages) == len(sent) and parent.messages)
        assert member.messages == sent
        assert parent.messages == [Load(3, 4, 5)]


@pytest.mark.parametrize("size", [65_530, 65_536, 131_072, 200_000, 3_000_000])
async def test_a_message_longer_than_a_packet_arrives_whole(size: int) -> None:
    with line() as (parent, member):
        long = Answers(7, [os.urandom(size // 2).hex(), "the other one"])
        for message in (Ready(), long, Ready()):
            member.channel.send(message)
        await eventually(lambda: len(parent.messages) == 3)
        assert parent.messages == [Ready(), long, Ready()]


async def test_what_the_kernel_does_not_take_waits_its_turn() -> None:
    with line() as (parent, member):
        sent = [Tell("topic", f"{number:05}" * 4000) for number in range(200)]  # 4 MB: far above any socket buffer
        for message in sent:
            parent.channel.send(message)
        assert not member.messages  # nothing blocked, and nobody has read yet
        await eventually(lambda: len(member.messages) == len(sent))
        assert member.messages == sent


async def test_a_connection_that_is_handed_over_works_at_the_other_end() -> None:
    with line() as (parent, member), connected() as (client, server):
        client.sendall(b"before ")
        parent.channel.send(Handed(), server)
        assert server.fileno() == -1  # ours is closed: the client sees the end when theirs is
        client.sendall(b"after")
        await eventually(lambda: bool(member.connections))
        (taken,) = member.connections
        taken.setblocking(False)
        loop = asyncio.get_running_loop()
        text = b""
        while text != b"before after":
            text += await asyncio.wait_for(loop.sock_recv(taken, 100), 5)
        assert taken.getpeername() == client.getsockname()
        await loop.sock_sendall(taken, b"an answer")
        client.settimeout(5)
        assert client.recv(100) == b"an answer"
        taken.close()
        assert client.recv(100) == b""


async def test_connections_behind_a_full_buffer_arrive_each_with_its_own_message() -> None:
    with contextlib.ExitStack() as stack:
        parent, member = stack.enter_context(line())
        pairs = [stack.enter_context(connected()) for _ in range(20)]
        clients = [client.getsockname() for client, _ in pairs]
        for number, (_, server) in enumerate(pairs):
            parent.channel.send(Tell("filling", "x" * 50_000))
            parent.channel.send(Handed(), server)
            parent.channel.send(Tell("number", str(number)))
        await eventually(lambda: len(member.messages) == 60)
        assert [connection.getpeername() for connection in member.connections] == clients
        assert member.messages[1::3] == [Handed()] * 20


@pytest.mark.parametrize("how", ["closed", "cut"])
async def test_the_other_end_is_gone(how: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = End(ours)
    if how == "closed":
        End(theirs).channel.close()
    else:
        theirs.shutdown(socket.SHUT_RDWR)
        theirs.close()
    parent.channel.send(Ready())  # may be noticed here or below: neither raises
    await eventually(lambda: parent.lost)
    parent.channel.send(Ready())
    with connected() as (client, server):
        parent.channel.send(Handed(), server)
        client.settimeout(5)
        assert client.recv(10) == b""  # nobody will serve it: told at once
    parent.channel.close()
    assert parent.lost == 1
    assert not parent.channel.is_open


async def test_no_descriptor_is_left() -> None:
    before = open_fds()
    for _ in range(20):
        with line() as (parent, member):
            pairs = [contextlib.ExitStack() for _ in range(5)]
            for stack in pairs:
                _, server = stack.enter_context(connected())
                parent.channel.send(Handed(), server)
                parent.channel.send(Tell("filling", "x" * 60_000))  # the last ones stay in the queue
            await eventually(lambda: bool(member.connections))
            parent.channel.close()
            for stack in pairs:
                stack.close()
            await eventually(lambda: member.lost)  # within this round
    assert open_fds() == before
