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
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from config.schema import ServerSettings
from pipelines.errors import ConfigError
from voicecore import gateway
from voicecore.fleet.channel import Answer, Answers, Ask, Drain, Message, Stop, Tell
from voicecore.fleet.child import Child
from voicecore.intake import BACKLOG

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 1.5
RESTART_PAUSE_S = 1.0  # before a member that died is replaced
EXIT_TIMEOUT_S = 15.0  # for a stopped member to write what it has
PEEK_BYTES = 64  # of a request: more than the method and the beginning of a media path

Left = Callable[[str], Awaitable[object]]


class Fleet:
    """Runs `settings.workers` members. `left(node)` is awaited after one of them is gone."""

    def __init__(self, settings: ServerSettings, node: str, left: Left) -> None:
        self._node = node  # of the server: members' names begin with it
        self._settings = settings
        self._left = left
        self._children: list[Child] = []
        self._count = itertools.count(1)
        self._between = _Between(self._children)
        self._watchers: set[asyncio.Task[None]] = set()  # one for each child
        self._accepting: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self.port = 0

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and start all members. Raises OSError (the port), ConfigError (a member does not start)."""
        listener = socket.create_server(
            (self._settings.host, self._settings.port),
            family=socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET,
            backlog=BACKLOG,
        )
        if hasattr(socket, "TCP_DEFER_ACCEPT"):
            # Accepted when the request is there, so that its first bytes tell what it is (tcp(7)).
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        try:
            await self._start_generation()
        except BaseException:
            listener.close()
            raise
        self._accepting = asyncio.create_task(self._accept(listener))

    async def restart(self) -> None:
        """New members first, then the old ones drain: no call is dropped that ends within the drain time.

        Raises ConfigError when the new ones do not start; the old ones go on then.
        """
        old = [child for child in self._children if child.wanted]
        await self._start_generation()
        for child in old:
            child.wanted = False
            child.send(Drain(self._settings.drain_s, replaced=True))

    async def drain(self) -> None:
        """No new calls; return when every member has left. Until then they say so to whoever asks."""
        self._closing.set()
        for child in self._children:
            child.wanted = False
            child.send(Drain(self._settings.drain_s))
        while self._watchers:
            await asyncio.wait(self._watchers)

    async def stop(self) -> None:
        """End everything now; what members have to write is still waited for, within limits."""
        self._closing.set()
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        for child in self._children:
            child.wanted = False
            child.send(Stop())
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=EXIT_TIMEOUT_S)
        for child in self._children:
            child.kill()
        if self._watchers:
            await asyncio.wait(self._watchers)

    @property
    def calls(self) -> int:
        return sum(child.calls for child in self._children)

    @property
    def members(self) -> dict[str, int]:
        """Name and process id of each that works, also of those that drain."""
        return {child.node: child.pid for child in self._children if child.takes}

    # --- connections --------------------------------------------------------------------------------

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:
                    log.error("accept_failed", reason=error.strerror)  # out of descriptors, most likely
                    await asyncio.sleep(RESTART_PAUSE_S)
                    continue
                self._hand_over(connection)

    def _hand_over(self, connection: socket.socket) -> None:
        able = [child for child in self._children if child.takes]
        taking = [child for child in able if child.wanted] or able  # all drain: they say so themselves
        if not taking:
            connection.close()
            return
        min(taking, key=lambda child: child.weight).hand(connection, is_call=_is_call(connection))

    # --- members ------------------------------------------------------------------------------------

    async def _start_generation(self) -> None:
        fresh = [await self._start() for _ in range(self._settings.workers)]
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                for child in fresh:
                    await child.decided.wait()
        except TimeoutError:
            log.error("members_not_ready", seconds=START_TIMEOUT_S)
        if not all(child.takes for child in fresh):
            for child in fresh:
                child.send(Stop())
            raise ConfigError("a serving process did not start; it has said why", source="settings", key="workers")
        for child in fresh:
            child.wanted = not self._closing.is_set()

    async def _start(self) -> Child:
        child = Child(f"{self._node}:{next(self._count):06}", self._between.pass_on)  # none begins another's name
        await child.start(self._settings, self.port)
        self._children.append(child)
        if self._closing.is_set():
            child.send(Stop())
        watcher = asyncio.create_task(self._watch(child))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._unwatch)
        return child

    async def _watch(self, child: Child) -> None:
        """Until it is gone; then its calls are closed in the records, and one that died is replaced."""
        status = await child.gone()
        self._children.remove(child)
        self._between.forget(child)
        try:
            await self._left(child.node)
        finally:
            if child.wanted and not self._closing.is_set():
                log.error("member_died", node=child.node, status=status)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), RESTART_PAUSE_S)
                if not self._closing.is_set():
                    (await self._start()).wanted = True

    def _unwatch(self, watcher: asyncio.Task[None]) -> None:
        self._watchers.discard(watcher)
        if not watcher.cancelled() and (error := watcher.exception()) is not None:
            log.error("member_not_settled", exc_info=error)


class _Between:
    """Passes on what members tell and ask each other."""

    def __init__(self, children: list[Child]) -> None:
        self._children = children
        self._questions: dict[int, tuple[Child, int, set[str], list[str]]] = {}
        self._numbers = itertools.count(1)

    def pass_on(self, sender: Child, message: Message) -> None:
        others = [child for child in self._children if child is not sender and child.takes]
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
            self._questions[message.number][3].append(message.value)
            self._not_missing(sender, message.number)

    def forget(self, child: Child) -> None:
        """It is gone: nobody waits for its answers."""
        for number in list(self._questions):
            self._not_missing(child, number)

    def _not_missing(self, child: Child, number: int) -> None:
        missing = self._questions[number][2]
        missing.discard(child.node)
        if not missing:
            self._answered(number)

    def _answered(self, number: int) -> None:
        """Everybody has answered, or the time is up."""
        if (question := self._questions.pop(number, None)) is not None:  # else the other of the two came first
            asker, asked_as, _, values = question
            asker.send(Answers(asked_as, values))


def _is_call(connection: socket.socket) -> bool:
    """Does it ask for a media socket? What cannot be told yet counts as one."""
    try:
        head = connection.recv(PEEK_BYTES, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    method, _, rest = head.partition(b" ")
    return method == b"GET" and gateway.claims(rest.partition(b" ")[0].partition(b"?")[0])
