"""One serving process of a fleet: `python -m voicecore.fleet.member FD`, started by the parent.

The settings come as the first message over the channel, so that no secret stands in a command line. It
ends when it is told to, and when the parent is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import socket
import sys
from collections.abc import Callable

import msgspec
import structlog
import uvloop

from config.schema import ServerSettings
from voicecore import logs
from voicecore.app import assembled
from voicecore.fleet.channel import Answer, Answers, Ask, Channel, Drain, Handed, Load, Message, Ready, Stop, Tell
from voicecore.intake import HandedIntake

log = structlog.get_logger(__name__)

ASK_TIMEOUT_S = 2.0
REPORT_S = 0.1  # how often the load is told, if it changed


class Orders(msgspec.Struct, frozen=True):
    """What a member is started with."""

    settings: ServerSettings
    port: int
    node: str


class Member:
    """The member's end of the channel; also its fellows (see `voicecore/fellows.py`)."""

    def __init__(self, end: socket.socket, intake: HandedIntake) -> None:
        self._channel = Channel(end, self._received, self._parent_gone)
        self._intake = intake
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[list[str]]] = {}
        self._told: dict[str, Callable[[str], None]] = {}
        self._answering: dict[str, Callable[[str], str]] = {}
        self.connections = 0
        self.drain_s = 0.0
        self.leave = asyncio.Event()
        self.stop = asyncio.Event()

    # --- fellows ------------------------------------------------------------------------------------

    def tell(self, topic: str, value: str) -> None:
        self._channel.send(Tell(topic, value))

    def on_told(self, topic: str, heard: Callable[[str], None]) -> None:
        self._told[topic] = heard

    async def ask(self, question: str, argument: str = "") -> list[str]:
        number = next(self._numbers)
        future: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self._channel.send(Ask(number, question, argument))
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await future
        except TimeoutError:
            return []
        finally:
            del self._asked[number]

    def on_asked(self, question: str, answer: Callable[[str], str]) -> None:
        self._answering[question] = answer

    # --- the channel --------------------------------------------------------------------------------

    def ready(self) -> None:
        self._channel.send(Ready())

    async def report_load(self, calls: Callable[[], int], connections: Callable[[], int]) -> None:
        """Keep the parent informed, so that it can tell who has least."""
        last = (-1, -1)
        while True:
            now = (calls(), connections())
            if now != last:
                self._channel.send(Load(*now))
                last = now
            await asyncio.sleep(REPORT_S)

    def close(self) -> None:
        self._channel.close()

    def _received(self, message: Message, connection: socket.socket | None) -> None:
        if isinstance(message, Handed):
            if connection is not None:
                self._intake.take(connection)
        elif isinstance(message, Drain):
            self.drain_s = message.seconds
            self.leave.set()
        elif isinstance(message, Stop):
            self.leave.set()
            self.stop.set()
        elif isinstance(message, Tell):
            if (heard := self._told.get(message.topic)) is not None:
                heard(message.value)
        elif isinstance(message, Ask):
            answer = self._answering.get(message.question)
            self._channel.send(Answer(message.number, answer(message.argument) if answer else ""))
        elif isinstance(message, Answers):
            future = self._asked.get(message.number)
            if future is not None and not future.done():
                future.set_result(message.values)

    def _parent_gone(self) -> None:
        log.error("parent_gone")
        self.leave.set()
        self.stop.set()


async def serve(end: socket.socket, orders: Orders) -> None:
    intake = HandedIntake(orders.port)
    member = Member(end, intake)
    async with assembled(orders.settings, intake, member, node=orders.node) as server:
        gateway = server.gateway
        reporting = asyncio.create_task(member.report_load(lambda: gateway.active_calls, server.open_connections))
        member.ready()
        await member.leave.wait()
        draining = asyncio.ensure_future(gateway.drain(member.drain_s))
        stopping = asyncio.ensure_future(member.stop.wait())
        await asyncio.wait([draining, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, stopping, reporting):
            task.cancel()
        await asyncio.wait([draining, stopping, reporting])
    member.close()


def main() -> int:
    end = socket.socket(fileno=int(sys.argv[1]))
    orders = msgspec.msgpack.decode(end.recv(1 << 20), type=Orders)
    logs.configure(orders.settings.log_level)
    # The terminal's Ctrl-C reaches the whole process group; the parent decides what it means.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(end, orders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
