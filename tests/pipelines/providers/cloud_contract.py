"""What the contract suites of all stages share: an engine and its emulator, and how failures are looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from cloud_cases import Case

from benchmarks.emulators.base import RETRY_AFTER_S, Emulator, Fault
from pipelines.errors import Remedy, StageError
from pipelines.registry import make

T = TypeVar("T")

KEY = "key-4711-must-not-show"
AT_ONCE_S = 0.05  # what closing a stream may take, the other end's answer included
PATIENCE_S = 10.0  # for what is to happen at all

# Each is followed by a request that has to work: nothing of it may stick to the engine.
BROKEN = (Fault.CUT, Fault.SERVER_ERROR, Fault.MALFORMED, Fault.RATE_LIMIT, Fault.UNAUTHORIZED)


@asynccontextmanager
async def made(case: Case, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Any, Any]]:
    """The engine of a case and its emulator; at the end the emulator has nothing open."""
    for variable in ("OPENAI", "ELEVENLABS", "DEEPGRAM", "CARTESIA"):
        monkeypatch.setenv(f"{variable}_API_KEY", KEY)
    async with case.emulator() as emulator:
        engine = await make(case.stage, case.provider, case.options(emulator), source="test")
        yield engine, emulator
        await engine.close()
        await soon(emulator.idle())


async def soon(step: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await step


async def everything(stream: AsyncGenerator[T, None]) -> list[T]:
    async def read() -> list[T]:
        return [item async for item in stream]

    return await soon(read())


async def closes_at_once(stream: AsyncGenerator[Any, None], emulator: Emulator) -> None:
    """Leaving a stream early frees it on both sides."""
    began = time.monotonic()
    await soon(stream.aclose())
    took_s = time.monotonic() - began
    await soon(emulator.idle())
    assert took_s < AT_ONCE_S, f"closing took {took_s * 1000:.0f} ms"


async def cancels_at_once(task: asyncio.Task[Any], emulator: Emulator) -> None:
    began = time.monotonic()
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE_S)
    took_s = time.monotonic() - began
    assert task.cancelled(), "a cancelled request ends as cancelled"
    await soon(emulator.idle())
    assert took_s < AT_ONCE_S, f"cancelling took {took_s * 1000:.0f} ms"


def is_told_well(error: StageError, case: Case, fault: Fault) -> None:
    """The error names who failed, says what helps, and shows no key."""
    assert error.stage == case.stage
    assert error.provider == case.provider
    assert KEY not in error.message
    assert "\n" not in error.message
    expected = Remedy.SWITCH if fault in (Fault.UNAUTHORIZED, Fault.RATE_LIMIT) else Remedy.RETRY
    assert error.remedy is expected, f"{fault}: {error.message} says {error.remedy}"
    if fault is Fault.RATE_LIMIT and case.tells_retry_after:
        assert error.retry_after_s == pytest.approx(RETRY_AFTER_S, abs=1.1)
