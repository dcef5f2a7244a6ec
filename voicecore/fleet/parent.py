"""The parent of a fleet: owns the port, accepts, and hands each connection to the member that has least.

A media socket lives as long as its call, so the kernel's spreading of new connections (by hash, or to whoever
wakes up first) leaves processes uneven for minutes; the parent knows how many calls each has. It also passes
questions between members, replaces one that dies, and restarts all of them in turn without losing a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from config.schema import ServerSettings
from voicecore.fleet.channel import Answer, Answers, Ask, Channel, Drain, Handed, Load, Message, Ready, Stop, Tell
from voicecore.fleet.member import Orders
from voicecore.intake import BACKLOG

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 1.5
RESTART_PAUSE_S = 1.0  # before a member that died is replaced
EXIT_TIMEOUT_S = 15.0  # for a stopped member to write what it has
CALL_WEIGHT = 20  # one call is as much as so many idle HTTP connections

Left = Callable[[str], Awaitable[object]]


class _Child:
    """One member process as the parent sees it."""

    def __init__(self, node: str, fleet: Fleet) -> None:
        self.node = node
        self._fleet = fleet
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel | None = None
        self.ready = asyncio.Event()
        self.leaving = False
        self.calls = 0
        self.connections = 0
        self.handed = 0  # since its last report

    @property
    def weight(self) -> int:
        return (self.calls + self.handed) * CALL_WEIGHT + self.connections

    async def start(self, settings: ServerSettings, port: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "voicecore.fleet.member", str(theirs.fileno()), pass_fds=[theirs.fileno()]
            )
        ours.send(msgspec.msgpack.encode(Orders(settings, port, self.node)))
        self.channel = Channel(ours, self._received, lambda: None)

    def send(self, message: Message, connection: socket.socket | None = None) -> None:
        if self.channel is not None:
            self.channel.send(message, connection)

    def _received(self, message: Message, connection: socket.socket | None) -> None:
        if isinstance(message, Ready):
            self.ready.set()
        elif isinstance(message, Load):
            self.calls, self.connections, self.handed = message.calls, message.connections, 0
        else:
            self._fleet.passed_on(self, message)


class Fleet:
    """Runs `settings.workers` members. `left(node)` is awaited after one of them is gone."""

    def __init__(self, settings: ServerSettings, node: str, left: Left) -> None:
        self._node = node  # of the server: members' names begin with it
        self._settings = settings
        self._left = left
        self._children: list[_Child] = []
        self._generation = itertools.count(1)
        self._questions: dict[int, tuple[_Child, int, set[str], list[str]]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._closing = False
        self.port = 0

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and start all members. Raises OSError (the port), TimeoutError (a member does not start)."""
        self._listener = socket.create_server(
            (self._settings.host, self._settings.port),
            family=socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET,
            backlog=BACKLOG,
        )
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        await self._start_generation()
        self._spawn(self._accept(self._listener))

    async def restart(self) -> None:
        """New members first, then the old ones drain: no call is dropped that ends within the drain time."""
        old = [child for child in self._children if not child.leaving]
        await self._start_generation()
        for child in old:
            child.leaving = True
            child.send(Drain(self._settings.drain_s))

    async def drain(self) -> None:
        """Accept nothing more; return when every member has left."""
        self._closing = True
        self._stop_listening()
        for child in self._children:
            child.leaving = True
            child.send(Drain(self._settings.drain_s))
        while self._children:
            await asyncio.wait([asyncio.ensure_future(self._gone(child)) for child in self._children])

    async def stop(self) -> None:
        """End everything now; what members have to write is still waited for, within limits."""
        self._closing = True
        self._stop_listening()
        for child in self._children:
            child.send(Stop())
        try:
            async with asyncio.timeout(EXIT_TIMEOUT_S):
                while self._children:
                    await asyncio.wait([asyncio.ensure_future(self._gone(child)) for child in self._children])
        except TimeoutError:
            for child in list(self._children):
                if child.process is not None:
                    child.process.kill()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def calls(self) -> int:
        return sum(child.calls for child in self._children)

    # --- connections --------------------------------------------------------------------------------

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                if self._closing:
                    return
                log.error("accept_failed", reason=error.strerror)  # out of descriptors, most likely
                await asyncio.sleep(RESTART_PAUSE_S)
                continue
            taking = [child for child in self._children if child.ready.is_set() and not child.leaving]
            if not taking:
                connection.close()
                continue
            child = min(taking, key=lambda child: child.weight)
            child.handed += 1
            child.send(Handed(), connection)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # --- members ------------------------------------------------------------------------------------

    async def _start_generation(self) -> None:
        generation = next(self._generation)
        fresh = [_Child(f"{self._node}:{generation}.{slot}", self) for slot in range(self._settings.workers)]
        for child in fresh:
            await self._start(child)
        async with asyncio.timeout(START_TIMEOUT_S):
            for child in fresh:
                await child.ready.wait()

    async def _start(self, child: _Child) -> None:
        await child.start(self._settings, self.port)
        self._children.append(child)
        self._spawn(self._watch(child))

    async def _watch(self, child: _Child) -> None:
        """Until it is gone; then its calls are closed in the records, and one that died is replaced."""
        assert child.process is not None
        status = await child.process.wait()
        self._children.remove(child)
        if child.channel is not None:
            child.channel.close()
        await self._left(child.node)
        if not child.leaving and not self._closing:
            log.error("member_died", node=child.node, status=status)
            await asyncio.sleep(RESTART_PAUSE_S)
            if not self._closing:
                await self._start(_Child(f"{child.node}r", self))

    async def _gone(self, child: _Child) -> None:
        if child.process is not None:
            await child.process.wait()
        await asyncio.sleep(0)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- between members ----------------------------------------------------------------------------

    def passed_on(self, sender: _Child, message: Message) -> None:
        others = [child for child in self._children if child is not sender and child.ready.is_set()]
        if isinstance(message, Tell):
            for child in others:
                child.send(message)
        elif isinstance(message, Ask):
            number = next(self._numbers)
            self._questions[number] = (sender, message.number, {child.node for child in others}, [])
            for child in others:
                child.send(msgspec.structs.replace(message, number=number))
            asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, self._answered, number)
            if not others:
                self._answered(number)
        elif isinstance(message, Answer) and message.number in self._questions:
            _, _, missing, values = self._questions[message.number]
            missing.discard(sender.node)
            values.append(message.value)
            if not missing:
                self._answered(message.number)

    def _answered(self, number: int) -> None:
        """Everybody has answered, or the time is up."""
        with contextlib.suppress(KeyError):  # the other of the two came first
            asker, asked_as, _, values = self._questions.pop(number)
            asker.send(Answers(asked_as, values))
