"""The virtual loop: waiting costs nothing, and nothing is left behind unnoticed."""

from __future__ import annotations

import asyncio
import time

import pytest

from pipelines.simulation.virtual_time import LeftBehind, pass_ms, run_in_virtual_time, virtual_loop


def test_an_hour_passes_in_no_time() -> None:
    async def wait() -> float:
        began = virtual_loop().time()
        await pass_ms(3_600_000)
        return virtual_loop().time() - began

    real = time.monotonic()
    assert run_in_virtual_time(wait()) == pytest.approx(3600)
    assert time.monotonic() - real < 5.0


def test_a_task_that_is_left_behind_is_an_error() -> None:
    kept = []

    async def leave() -> None:
        kept.append(asyncio.create_task(pass_ms(1000)))

    with pytest.raises(LeftBehind, match="pass_ms"):
        run_in_virtual_time(leave())


def test_an_error_in_a_callback_is_an_error() -> None:
    def fail() -> None:
        raise ValueError("nobody would see this")

    async def main() -> None:
        virtual_loop().call_later(0.1, fail)
        await pass_ms(200)

    with pytest.raises(LeftBehind, match="nobody would see this"):
        run_in_virtual_time(main())


def test_waiting_for_nothing_does_not_wait_for_ever() -> None:
    async def main() -> None:
        await virtual_loop().create_future()

    with pytest.raises(RuntimeError, match="everybody waits"):
        run_in_virtual_time(main())
