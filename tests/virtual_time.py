"""An event loop in which time passes only when nothing is left to do: a minute of waiting takes no time.

Only timers may be waited for: threads, processes and sockets live in real time and have no place here.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

P = ParamSpec("P")


class _JumpingSelector(selectors.DefaultSelector):
    now_s = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits and nothing is going to happen")
            self.now_s += max(0.0, timeout)
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
    loop = virtual_loop()
    passed = loop.create_future()
    timer = loop.call_later(ms / 1000, passed.set_result, None)
    try:
        await passed
    finally:
        timer.cancel()


def in_virtual_time(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async test on a virtual loop. A task that it leaves behind, or an error that nobody saw, fails it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        unseen: list[dict[str, Any]] = []

        async def main() -> None:
            virtual_loop().set_exception_handler(lambda _, context: unseen.append(context))
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left behind: {left}"

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())
        assert not unseen

    return run
