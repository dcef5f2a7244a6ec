"""The shared pool: one session, one TLS context, open as long as somebody holds it."""

from __future__ import annotations

import asyncio

from aiohttp import web

from benchmarks.emulators.base import Emulator
from pipelines.connections import Connections, tls_context


async def test_it_is_shared_and_closes_with_its_last_taker() -> None:
    one, other = Connections.take(), Connections.take()
    session = one.session
    assert other.session is session
    await one.give_back()
    assert not session.closed
    await other.give_back()
    assert session.closed


async def test_it_opens_again() -> None:
    pool = Connections.take()
    first = pool.session
    await pool.give_back()
    pool = Connections.take()
    assert not pool.session.closed
    assert pool.session is not first
    await pool.give_back()


async def test_requests_one_after_another_use_one_connection() -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    emulator = Emulator()
    emulator.app.router.add_get("/", hello)
    async with emulator:
        pool = Connections.take()
        for _ in range(5):
            async with pool.session.get(emulator.url) as answer:
                assert await answer.text() == "hello"
        await pool.give_back()
    assert emulator.connections == 1


def test_each_loop_has_its_own() -> None:
    async def taken() -> Connections:
        pool = Connections.take()
        await pool.give_back()
        return pool

    assert asyncio.run(taken()) is not asyncio.run(taken())


def test_certificates_are_loaded_once() -> None:
    assert tls_context() is tls_context()
