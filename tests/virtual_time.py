"""Tests in virtual time: see `pipelines/simulation/virtual_time.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from pipelines.simulation.virtual_time import VirtualTimeLoop, pass_ms, run_in_virtual_time, virtual_loop

__all__ = ["VirtualTimeLoop", "in_virtual_time", "pass_ms", "virtual_loop"]

P = ParamSpec("P")


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a virtual loop. A task that it leaves behind, or an error that nobody saw, fails it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_in_virtual_time(test(*args, **kwargs))

    return run
