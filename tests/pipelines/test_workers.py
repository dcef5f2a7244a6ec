"""Workers against a real child process that crashes, hangs and talks nonsense on request."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipelines.errors import EngineMissing, Remedy, StageError, StageTimeout
from pipelines.workers import Worker, WorkerPool, WorkerSpec

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Ask(msgspec.Struct, tag=True, frozen=True):
    what: str
    payload: bytes = b""


class Answer(msgspec.Struct, tag=True, frozen=True):
    text: str
    payload: bytes = b""


class Count(msgspec.Struct, tag=True, frozen=True):
    taken: int


DECODER: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Answer | Count)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT)]))


def probe(*arguments: str, **changes: Any) -> WorkerSpec:
    return WorkerSpec("worker_child_probe", "tts", "probe", arguments, **changes)


class Desk:
    """Keeps what workers said, and lets a test wait for it."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.losses: asyncio.Queue[StageError] = asyncio.Queue()

    def received(self, worker: Worker[Any], message: Any) -> None:
        self.answers.put_nowait(message)

    def lost(self, worker: Worker[Any], error: StageError) -> None:
        self.losses.put_nowait(error)

    def worker(self, spec: WorkerSpec) -> Worker[Any]:
        return Worker(spec, DECODER, received=self.received, lost=self.lost)


@asynccontextmanager
async def at_work(spec: WorkerSpec) -> AsyncIterator[tuple[Worker[Any], Desk]]:
    desk = Desk()
    worker = desk.worker(spec)
    await worker.start()
    try:
        yield worker, desk
    finally:
        await worker.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def settled(condition: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never happened")


async def test_messages_come_back_in_order_and_whole() -> None:
    async with at_work(probe()) as (worker, desk):
        big = os.urandom(1_000_000)  # more than a socket's buffer, so it arrives in pieces
        worker.send(Ask("one"))
        worker.send(Ask("two", big))
        worker.send(Ask("three"))
        got = [await desk.answers.get() for _ in range(3)]
    assert got == [Answer("one"), Answer("two", big), Answer("three")]


async def test_a_child_can_take_all_that_waits_at_once() -> None:
    async with at_work(probe()) as (worker, desk):
        for _ in range(3):
            worker.send(Ask("take", b"x" * 10))
            worker.send(Ask("in between"))
        eaten = 0
        while eaten < 6:  # a "take" eats itself and, in one gulp, whatever had arrived behind it
            message = await desk.answers.get()
            eaten += 1 + message.taken if isinstance(message, Count) else 1
    assert eaten == 6
    assert desk.answers.empty()


async def test_the_child_is_nice_and_ignores_the_terminals_interrupt() -> None:
    async with at_work(probe(nice=4)) as (worker, desk):
        assert worker.pid is not None
        assert os.getsid(worker.pid) == worker.pid  # not in our session: Ctrl-C does not even reach it
        os.kill(worker.pid, signal.SIGINT)
        worker.send(Ask("who"))
        pid, nice, ignores = (await desk.answers.get()).text.split()
        assert int(pid) == worker.pid
    assert ignores == "True"
    assert int(nice) == os.nice(0) + 4


async def test_closing_leaves_nothing() -> None:
    tasks, descriptors, threads = asyncio.all_tasks(), open_descriptors(), set(threading.enumerate())
    pids = []
    for _ in range(3):
        async with at_work(probe()) as (worker, _):
            assert worker.pid is not None
            pids.append(worker.pid)
    assert not any(alive(pid) for pid in pids)
    assert asyncio.all_tasks() == tasks
    assert open_descriptors() <= descriptors + 1  # the loop's child watcher may keep one
    for thread in set(threading.enumerate()) - threads:  # asyncio waits for children in threads before 3.12
        thread.join(5)
        assert not thread.is_alive()


async def test_closing_a_child_that_does_not_listen_kills_it() -> None:
    async with at_work(probe(close_timeout_s=0.2)) as (worker, desk):
        pid = worker.pid
        worker.send(Ask("stop reading"))
        await desk.answers.get()
        worker.send(Ask("unread", b"x" * 2_000_000))  # the socket cannot be flushed either
    assert pid is not None
    assert not alive(pid)


async def test_sending_to_a_child_that_does_not_read_is_refused_not_queued_for_ever() -> None:
    async with at_work(probe(close_timeout_s=0.2, max_unsent_bytes=1_000_000)) as (worker, desk):
        worker.send(Ask("stop reading"))
        await desk.answers.get()

        def flood() -> None:
            for _ in range(20):
                worker.send(Ask("unread", b"x" * 200_000))

        with pytest.raises(StageError, match="does not read"):
            flood()


@pytest.mark.parametrize(("misdeed", "reason"), [("die", "died"), ("nonsense", "not understand"), ("huge", "frame of")])
async def test_a_lost_worker_is_reported_once_and_comes_back(misdeed: str, reason: str) -> None:
    async with at_work(probe(backoff_s=0.001)) as (worker, desk):
        before = worker.pid
        worker.send(Ask(misdeed))
        error = await desk.losses.get()
        assert reason in error.message
        assert (error.stage, error.provider, error.remedy) == ("tts", "probe", Remedy.RETRY)
        with pytest.raises(StageError, match="down"):
            worker.send(Ask("too early"))
        await worker.ready(5)
        worker.send(Ask("again"))
        assert await desk.answers.get() == Answer("again")
        assert worker.pid != before
        assert worker.restarts == 1
        assert desk.losses.empty()


async def test_closing_while_down_and_using_it_afterwards() -> None:
    desk = Desk()
    worker = desk.worker(probe(backoff_s=60.0, max_backoff_s=60.0))
    await worker.start()
    worker.send(Ask("die"))
    await desk.losses.get()
    with pytest.raises(StageTimeout):
        await worker.ready(0.01)
    await worker.close()
    await worker.close()
    with pytest.raises(StageError, match="closed"):
        await worker.ready(1)
    with pytest.raises(StageError, match="down"):
        worker.send(Ask("closed"))


async def test_closing_fails_what_is_pending() -> None:
    async with at_work(probe()) as (worker, desk):
        worker.send(Ask("pending"))
    assert (await desk.losses.get()).stage == "tts"


@pytest.mark.parametrize(
    ("argument", "kind", "text"),
    [("cannot", EngineMissing, "install it with"), ("crash", StageError, "died at start")],
)
async def test_a_worker_that_never_could_work_says_why(argument: str, kind: type[StageError], text: str) -> None:
    descriptors = open_descriptors()
    worker = Desk().worker(probe(argument))
    with pytest.raises(kind, match=text):
        await worker.start()
    assert worker.pid is None
    assert open_descriptors() <= descriptors + 1


async def test_a_module_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    worker = Desk().worker(WorkerSpec("no_such_worker_module", "tts", "probe"))
    with pytest.raises(StageError, match="died at start"):
        await worker.start()
    assert "no_such_worker_module" in capfd.readouterr().err


async def test_a_worker_that_hangs_at_start_is_given_up() -> None:
    worker = Desk().worker(probe("hang", start_timeout_s=0.3, close_timeout_s=0.05))
    with pytest.raises(StageError, match=r"not ready within 0\.3 s"):
        await worker.start()


async def test_cancelling_the_start_leaves_nothing() -> None:
    descriptors = open_descriptors()
    worker = Desk().worker(probe("hang", close_timeout_s=0.05))
    starting = asyncio.create_task(worker.start())
    await settled(lambda: worker.pid is not None)
    pid = worker.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert pid is not None
    assert not alive(pid)
    assert open_descriptors() <= descriptors + 1


async def test_a_pool_starts_all_or_none() -> None:
    desk = Desk()
    pool = WorkerPool(probe(), 2, DECODER, received=desk.received, lost=desk.lost)
    await pool.start()
    for worker in pool.workers:
        worker.send(Ask(f"worker {worker.index}"))
    texts = {(await desk.answers.get()).text for _ in range(2)}
    pids = [worker.pid for worker in pool.workers]
    await pool.close()
    assert texts == {"worker 0", "worker 1"}
    assert not any(alive(pid) for pid in pids if pid is not None)

    broken = WorkerPool(probe("crash"), 2, DECODER, received=desk.received, lost=desk.lost)
    with pytest.raises(StageError, match="died at start"):
        await broken.start()
    assert [worker.pid for worker in broken.workers] == [None, None]


PARENT = """
import asyncio, msgspec
from pipelines.workers import Worker, WorkerSpec

async def main():
    worker = Worker(WorkerSpec("worker_child_probe", "tts", "probe"), msgspec.msgpack.Decoder(),
                    received=print, lost=print)
    await worker.start()
    print(worker.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_the_child_dies_with_a_parent_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        watch = os.pidfd_open(child)
        parent.kill()
        parent.wait()
    try:
        # A pidfd becomes readable when the process ends.
        assert select.select([watch], [], [], 10)[0] == [watch]
    finally:
        os.close(watch)


def test_the_child_half_imports_nothing_heavy() -> None:
    code = "import sys, pipelines.worker_child; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"asyncio", "numpy", "structlog"}.isdisjoint(done.stdout.split())
