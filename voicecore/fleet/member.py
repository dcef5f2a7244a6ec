"""One serving process of a fleet: `python -m voicecore.fleet FD`, started by the parent.

The settings come as the first message over the channel, so that no secret stands in a command line. It
ends when it is told to, and when the parent is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import sys
from collections.abc import Callable

import msgspec
import structlog
import uvloop

from config.schema import ServerSettings
from pipelines.errors import VoicecoreError
from voicecore import heap, logs
from voicecore.app import Server, assembled
from voicecore.fleet.channel import Answer, Answers, Ask, Channel, Drain, Handed, Load, Message, Ready, Stop, Tell
from voicecore.intake import HandedIntake

log = structlog.get_logger(__name__)

ASK_TIMEOUT_S = 2.0
REPORT_S = 0.1  # how often the load is told, if it changed
GRACE_S = 0.5  # for what was handed over just before others took over: a request is there and is read at once


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
        self._taken = 0  # connections, since the last report
        self.orders = Drain(0.0)
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
            if now != last or self._taken:
                self._channel.send(Load(*now, self._taken))
                last, self._taken = now, 0
            await asyncio.sleep(REPORT_S)

    def close(self) -> None:
        self._channel.close()

    def _received(self, message: Message, connection: socket.socket | None) -> None:
        if isinstance(message, Handed):
            self._taken += 1
            if connection is not None:
                self._intake.take(connection)
        elif isinstance(message, Drain):
            self.orders = message
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
        self.leave.set()
        self.stop.set()
        log.error("parent_gone")  # last: nobody may be left who reads it


async def serve(end: socket.socket, orders: Orders) -> None:
    intake = HandedIntake(orders.port)
    member = Member(end, intake)
    async with assembled(orders.settings, intake, member, node=orders.node) as server:
        gateway = server.gateway
        reporting = asyncio.create_task(member.report_load(lambda: gateway.active_calls, server.open_connections))
        heap.settle()
        member.ready()
        await member.leave.wait()
        draining = asyncio.ensure_future(_drain(server, member.orders))
        stopping = asyncio.ensure_future(member.stop.wait())
        await asyncio.wait([draining, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, stopping, reporting):
            task.cancel()
        await asyncio.wait([draining, stopping, reporting])
        member.close()  # so that the parent gives the connections of these last moments to others


async def _drain(server: Server, orders: Drain) -> None:
    if orders.replaced:
        await asyncio.sleep(GRACE_S)
        server.http.pre_shutdown()  # kept-alive connections are made anew, with others
    await server.gateway.drain(orders.seconds)


def main() -> int:
    """The process of a member. Its exit status."""
    end = socket.socket(fileno=int(sys.argv[1]))
    orders = msgspec.msgpack.decode(end.recv(1 << 20), type=Orders)
    logs.configure(orders.settings.log_level)
    # The terminal's Ctrl-C reaches the whole process group; the parent decides what it means.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(end, orders))
        except VoicecoreError as error:
            sys.stderr.write(f"voicecore {orders.node}: {error.message}\n")
            return 2
        except BrokenPipeError:  # whoever read the log went with the parent
            return 1
    return 0
