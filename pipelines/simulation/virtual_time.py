"""An event loop in which time passes only when nothing is left to do: a minute of waiting takes no time.

Only timers may be waited for: threads, processes and sockets live in real time and have no place here.
The simulator, the replay of stored calls and the tests share it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from pipelines.errors import VoicecoreError

R = TypeVar("R")


class LeftBehind(VoicecoreError):
    """A run in virtual time ended with tasks that still wait, or with an error in a callback that nobody saw."""

    code = "left_behind"


class _JumpingSelector(selectors.DefaultSelector):
    """The system is asked only when no timer is left: files and sockets that wake a loop are not for here."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None:
            self.now_s += max(0.0, timeout)
            return []
        ready = super().select(0)
        if not ready:
            raise RuntimeError("everybody waits and nothing is going to happen")
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 1000 s and jumps to the next timer whenever the loop is idle."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def stall(self, ms: float) -> None:
        """The loop is blocked for so long: time passes, and nothing runs."""
        self._jumping.now_s += ms / 1000


def virtual_loop() -> VirtualTimeLoop:
    """The running loop, which has to be a virtual one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop), "this would really wait"
    return loop


async def pass_ms(ms: float) -> None:
    """Let virtual time pass."""
    virtual_loop()
    await asyncio.sleep(ms / 1000)


def run_in_virtual_time(main: Coroutine[Any, Any, R]) -> R:
    """Run `main` on a virtual loop of its own and return its result.

    Raises what `main` raises, and LeftBehind when it leaves a task behind, or when a callback failed.
    """
    unseen: list[str] = []

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        unseen.append(f"{context.get('message')}: {context.get('exception')!r}")

    async def watched() -> R:
        virtual_loop().set_exception_handler(note)
        result = await main
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            raise LeftBehind(f"tasks left behind: {left}")
        return result

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(watched())
    if unseen:
        raise LeftBehind("; ".join(unseen))
    return result
