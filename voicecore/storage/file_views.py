"""Looks at a SQLite file. A question that is answered quickly is asked on the event loop: to a thread and back, several
times, would cost more than the answer, and while the loop is busy each way takes milliseconds. What takes longer is
given up and asked again in a thread, as are questions of that shape from then on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import FrozenResult
from sqlalchemy.exc import OperationalError

AT_ONCE = 8  # views, each with a connection of its own
THREADS = 2
THREADS_NICE = 5  # they leave the loop's core to the loop (nice(7), of a thread on Linux)
BUSY_TIMEOUT_MS = 5000  # for the file's lock, in a thread
# Of SQLite's virtual machine, some two milliseconds: calls wait no longer for an answer that somebody else gets.
# Counted, for by the clock a busy machine would make everything slow.
QUICK_STEPS = 40_000
MANY_STEPS = 200_000  # in a thread, from one look whether somebody still waits to the next
SLOW_S = 60.0  # for so long a shape is known to be slow
SHAPES = 2000


class FileViews:
    """`engine` is theirs: its connections may be used in any thread, by one at a time, and wait for nobody."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.places = asyncio.Semaphore(AT_ONCE)
        self.threads = ThreadPoolExecutor(THREADS, "reads", _step_back)
        self.age = 0
        self._slow: dict[Hashable, float] = {}  # until when, monotonic

    async def fill(self) -> None:
        await asyncio.to_thread(self._fill)

    def _fill(self) -> None:
        every = threading.Barrier(THREADS + 1)
        for _ in range(THREADS):
            self.threads.submit(every.wait)
        every.wait()
        with contextlib.ExitStack() as stack:
            for _ in range(AT_ONCE):
                stack.enter_context(self.engine.connect())

    def view(self) -> FileView:
        return FileView(self)

    def is_slow(self, shape: Hashable) -> bool:
        return self._slow.get(shape, 0.0) > time.monotonic()

    def note_slow(self, shape: Hashable) -> None:
        if len(self._slow) >= SHAPES:
            self._slow.clear()
        self._slow[shape] = time.monotonic() + SLOW_S

    async def renew(self) -> None:
        self.age += 1
        await asyncio.to_thread(self.engine.dispose)
        await self.fill()

    async def close(self) -> None:
        await asyncio.to_thread(self.threads.shutdown)
        self.engine.dispose()


class FileView:
    def __init__(self, views: FileViews) -> None:
        self._views = views
        self._age = views.age
        self._connection: sa.Connection | None = None
        self._working: asyncio.Future[Any] | None = None
        self._given_up = False  # nobody waits for it any more

    async def begin(self) -> None:
        await self._views.places.acquire()
        try:
            self._age, self._connection = self._views.age, self._views.engine.connect()
        except BaseException:
            self._views.places.release()
            raise
        self._connection.begin()

    async def ask(self, statement: Any, parameters: Any, shape: Hashable | None) -> FrozenResult[Any]:
        if shape is not None and not self._views.is_slow(shape):
            found = self._quickly(statement, parameters)
            if found is not None:
                return found
            self._views.note_slow(shape)
        rows: FrozenResult[Any] = await self.run(lambda connection: connection.execute(statement, parameters).freeze())
        return rows

    def _quickly(self, statement: Any, parameters: Any) -> FrozenResult[Any] | None:
        """None: it takes too long, or cannot be answered without waiting for somebody who writes."""
        driver = self._driver
        driver.set_progress_handler(lambda: True, QUICK_STEPS)
        try:
            return self._begun.execute(statement, parameters).freeze()
        except OperationalError:
            return None  # whatever it was, in the thread it may happen again
        finally:
            driver.set_progress_handler(None, 0)

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        connection, driver = self._begun, self._driver

        def patiently() -> Any:
            if self._given_up:
                return None
            driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            driver.set_progress_handler(lambda: self._given_up, MANY_STEPS)
            try:
                return work(connection)
            finally:
                driver.set_progress_handler(None, 0)
                driver.execute("PRAGMA busy_timeout=0")

        self._working = asyncio.get_running_loop().run_in_executor(self._views.threads, patiently)
        await asyncio.wait([self._working])  # who gives up waiting does not end what has begun
        return self._working.result()

    async def close(self) -> None:
        if self._connection is None:
            return
        try:
            if self._working is not None and not self._working.done():
                self._given_up = True
                await asyncio.wait([self._working])
                self._working.exception()
            if self._age != self._views.age:
                self._connection.invalidate()
            self._connection.close()
        finally:
            self._connection = None
            self._views.places.release()

    @property
    def _begun(self) -> sa.Connection:
        assert self._connection is not None
        return self._connection

    @property
    def _driver(self) -> Any:
        return self._begun.connection.dbapi_connection


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere the number would be that of a process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREADS_NICE)
