"""Starts a server pinned to one core, samples what it costs from /proc, and takes it down with all its children."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1  # prctl(2)
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 8.0


class Usage(msgspec.Struct, frozen=True):
    """At one instant: CPU seconds so far of a process tree, its memory, and what the core did besides."""

    at_s: float
    cpu_s: float
    rss_mb: float
    processes: int
    core_busy_s: float
    core_steal_s: float


class ServerFailed(RuntimeError):
    """A server did not start, or died; the message carries the end of its log."""


def cores() -> tuple[int, int]:
    """The server's core and the generator's: the first two that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """A running server. `start` waits until its port accepts; `stop` leaves nothing behind."""

    def __init__(self, command: list[str], core: int, log: Path, environment: dict[str, str] | None = None) -> None:
        self._command = command
        self._core = core
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.started_s = 0.0

    def start(self) -> None:
        core = self._core
        with self._log.open("wb") as log:
            self.started_s = time.monotonic()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                preexec_fn=lambda: _before_exec(core),
            )

    async def until_listening(self, port: int) -> float:
        """Seconds from the start of the process until it accepts a connection. Raises ServerFailed."""
        self._port = port
        while True:
            self.check()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if time.monotonic() - self.started_s > START_TIMEOUT_S:
                    raise ServerFailed(f"{self._what()} does not listen:\n{self.log_tail()}") from None
                await asyncio.sleep(0.01)
                continue
            ready_s = time.monotonic() - self.started_s
            writer.close()
            return ready_s

    async def start_again(self) -> None:
        """After `stop`, on the same port and folder. Raises ServerFailed."""
        self.start()
        await self.until_listening(self._port)

    def check(self) -> None:
        """Raises ServerFailed when it is not running."""
        if self._process is None or self._process.poll() is not None:
            code = None if self._process is None else self._process.returncode
            raise ServerFailed(f"{self._what()} ended with {code}:\n{self.log_tail()}")

    def usage(self) -> Usage:
        self.check()
        assert self._process is not None
        cpu_s = rss = 0.0
        members = tree(self._process.pid)
        for pid in members:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                rss += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
            except (OSError, IndexError):
                continue
            cpu_s += (int(fields[11]) + int(fields[12])) / TICKS
        busy_s, steal_s = core_times(self._core)
        return Usage(time.monotonic(), cpu_s, rss / 2**20, len(members), busy_s, steal_s)

    def files(self) -> int:
        """Open file descriptors of the process itself."""
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def threads(self) -> int:
        """Of the process itself."""
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(STOP_TIMEOUT_S if number is signal.SIGTERM else None)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
            break
        try:
            os.killpg(process.pid, signal.SIGKILL)  # children that outlived it
        except ProcessLookupError:
            pass
        process.wait()

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def _what(self) -> str:
        return shlex.join(self._command[:6])


def _before_exec(core: int) -> None:
    """In the child: its core, and its end when this process is killed without a chance to stop it."""
    os.sched_setaffinity(0, {core})
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting.extend(map(int, task.read_text().split()))
            except OSError:
                continue
    return found


def core_times(core: int) -> tuple[float, float]:
    """(busy, stolen) seconds of one core since boot, whoever used it."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _wait, irq, soft, steal = (int(value) / TICKS for value in values[:8])
            return user + nice + system + irq + soft, steal
    return 0.0, 0.0
