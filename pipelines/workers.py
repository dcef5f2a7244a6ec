"""Child processes for engines that hold the GIL or must be kept apart for their licence.

A worker is `python -m <module>` at the other end of a socket pair (see `worker_child`). It is restarted
when it dies, and it dies when this process does, because its socket then ends. Knows no engine: the
messages are msgspec structs of whoever uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from pipelines.errors import StageError, StageTimeout
from pipelines.worker_link import Link, WorkerSpec

__all__ = ["Worker", "WorkerPool", "WorkerSpec"]

log = structlog.get_logger(__name__)

M = TypeVar("M")


class Worker(Generic[M]):
    """One worker process and its restarts.

    `received` and `lost` are called on the event loop and must not block. After `lost(worker, error)`
    nothing more comes from what was sent before it.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        decoder: msgspec.msgpack.Decoder[M],
        *,
        received: Callable[[Worker[M], M], None],
        lost: Callable[[Worker[M], StageError], None],
        index: int = 0,
    ) -> None:
        self.index = index
        self.pid: int | None = None
        self.restarts = 0
        self._spec = spec
        self._decoder = decoder
        self._received = received
        self._lost = lost
        self._link: Link[M] | None = None  # set while it can work
        self._socket_end: Link[M] | None = None  # set while there is a socket
        self._process: Process | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it can work. Raises EngineMissing or StageError when it never could."""
        first: asyncio.Future[StageError | None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._supervise(first), name=f"worker {self._spec.module}")
        try:
            failure = await first
        except asyncio.CancelledError:
            await self.close()
            raise
        if failure is not None:
            await self.close()
            raise failure

    @property
    def running(self) -> bool:
        return self._link is not None

    def send(self, message: msgspec.Struct) -> None:
        """Never blocks. Raises StageError while the worker is down, or too far behind with reading."""
        if self._link is None:
            raise self._spec.error("worker process is down")
        self._link.send(message)

    def restart(self, reason: str) -> None:
        """Give up on a worker that hangs; `lost` follows, and a new one."""
        if self._link is not None:
            self._link.hang_up(reason)

    async def ready(self, timeout_s: float) -> None:
        """Waits for a restart to end. Raises StageTimeout."""
        if self._task is None:
            raise self._spec.error("worker process is closed")
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError as error:
            raise self._spec.error(f"worker process not back within {timeout_s} s", StageTimeout) from error

    async def close(self) -> None:
        """Ends its input, waits, kills. No process, descriptor or task is left."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])

    async def _supervise(self, first: asyncio.Future[StageError | None]) -> None:
        loop = asyncio.get_running_loop()
        delay_s = 0.0
        while True:
            born_s = loop.time()
            try:
                failure = await self._live(first)
            except OSError as error:  # no process, no descriptor to be had
                failure = self._spec.error(f"worker process cannot be started: {error}")
            if not first.done():
                first.set_result(failure)
                return
            stable = loop.time() - born_s >= self._spec.stable_s
            delay_s = 0.0 if stable else min(max(self._spec.backoff_s, delay_s * 2), self._spec.max_backoff_s)
            self.restarts += 1
            log.warning("worker.lost", module=self._spec.module, reason=failure.message, restart_in_s=delay_s)
            await asyncio.sleep(delay_s)

    async def _live(self, first: asyncio.Future[StageError | None]) -> StageError:
        """From start to death; says why it died."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await self._spawn(theirs)
            self.pid = self._process.pid
            try:
                return await self._talk(await self._connect(ours), first)
            finally:
                await self._bury()
        finally:
            ours.close()

    async def _spawn(self, theirs: socket.socket) -> Process:
        descriptor = theirs.fileno()
        # A session of its own: the terminal's Ctrl-C and hang-up go to the parent alone.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._spec.module,
            str(descriptor),
            str(self._spec.nice),
            *self._spec.arguments,
            stdin=DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,
        )

    async def _connect(self, ours: socket.socket) -> Link[M]:
        def make() -> Link[M]:
            return Link(self._spec, self._decoder, lambda message: self._received(self, message))

        _, link = await asyncio.get_running_loop().create_unix_connection(make, sock=ours)
        self._socket_end = link
        return link

    async def _talk(self, link: Link[M], first: asyncio.Future[StageError | None]) -> StageError:
        try:
            async with asyncio.timeout(self._spec.start_timeout_s):
                failure = await asyncio.shield(link.ready)
        except TimeoutError:
            failure = self._spec.error(f"worker process not ready within {self._spec.start_timeout_s} s")
        if failure is not None:
            return failure
        self._link = link
        self._up.set()
        if not first.done():
            first.set_result(None)
        try:
            await asyncio.shield(link.ended)
        finally:
            self._link = None
            self._up.clear()
            failure = link.failure or self._spec.error("worker process died")
            self._lost(self, failure)
        return failure

    async def _bury(self) -> None:
        """The orderly end of a life, whatever ended it: end of input, then a bounded wait, then a kill."""
        process, link = self._process, self._socket_end
        self._process = self._socket_end = self.pid = None
        if link is not None:
            link.transport.close()
        assert process is not None
        try:
            async with asyncio.timeout(self._spec.close_timeout_s):
                await process.wait()
        except TimeoutError:
            log.warning("worker.killed", module=self._spec.module, pid=process.pid)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            if link is not None:
                link.transport.abort()
                await link.ended
            await process.wait()


class WorkerPool(Generic[M]):
    """A fixed number of equal workers. Who works for whom is the engine's decision."""

    def __init__(
        self,
        spec: WorkerSpec,
        size: int,
        decoder: msgspec.msgpack.Decoder[M],
        *,
        received: Callable[[Worker[M], M], None],
        lost: Callable[[Worker[M], StageError], None],
    ) -> None:
        self.workers = tuple(Worker(spec, decoder, received=received, lost=lost, index=index) for index in range(size))

    async def start(self) -> None:
        """All of them, or none: raises what the first failure was."""
        outcomes = await asyncio.gather(*(worker.start() for worker in self.workers), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            await self.close()
            raise failures[0]

    async def close(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self.workers))
