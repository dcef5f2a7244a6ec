"""Asks every list and every sum of every surface, in turn, at a fixed rate, and keeps how long each took.

An open loop: a slow answer does not hold up the next question, as other clients would not wait for it either.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from typing import Any

import aiohttp
import msgspec

from benchmarks.capacity.figures import spread

CONNECTIONS = 64
TIMEOUT_S = 10.0


class Question(msgspec.Struct, frozen=True):
    route: str
    url: str
    token: str


class Load:
    """Use inside a session's context."""

    def __init__(
        self, session: aiohttp.ClientSession, questions: list[Question], per_second: float, warm_s: float = 0.0
    ) -> None:
        self._session = session
        self._questions = questions
        self._per_second = per_second
        self._warm_s = warm_s  # in which every answer is made for the first time, all at once
        self.warm_ms: list[float] = []
        self.took_ms: dict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[int] = Counter()

    async def run(self, seconds: float) -> None:
        began = time.monotonic()
        asked: set[asyncio.Task[None]] = set()
        for number, question in enumerate(itertools.cycle(self._questions)):
            due = began + number / self._per_second
            if due - began >= seconds:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._ask(question, due, due - began < self._warm_s))
            asked.add(task)
            task.add_done_callback(asked.discard)
        if asked:
            await asyncio.wait(asked)

    async def _ask(self, question: Question, due: float, warming: bool) -> None:
        headers = {"Authorization": f"Bearer {question.token}"}
        try:
            async with self._session.get(question.url, headers=headers) as response:
                await response.read()
                self.statuses[response.status] += 1
        except (aiohttp.ClientError, TimeoutError):
            self.statuses[0] += 1
        took_ms = (time.monotonic() - due) * 1000.0
        if warming:
            self.warm_ms.append(took_ms)
        else:
            self.took_ms[question.route].append(took_ms)

    def figures(self) -> dict[str, Any]:
        """By route, the slowest first; times from when the question was due."""
        every = [took for times in self.took_ms.values() for took in times]
        by_route = {route: spread(times) for route, times in self.took_ms.items()}
        slowest = sorted(by_route.items(), key=lambda item: -item[1]["p99"])
        return {
            "requests": len(every),
            "statuses": dict(self.statuses),
            "warm_ms": spread(self.warm_ms),
            "all_ms": spread(every),
            "ms": dict(slowest),
        }


async def questions(session: aiohttp.ClientSession, base: str, tokens: dict[str, str]) -> list[Question]:
    """From the surfaces' own descriptions: what can be read without an id and answers with JSON now."""
    found = []
    for root, token in tokens.items():
        async with session.get(f"{base}{root}/openapi.json") as response:
            description = await response.json()
        for path, methods in description["paths"].items():
            if "get" not in methods or "{" in path or "security" not in methods["get"] or path.endswith("/initiate"):
                continue  # a login elsewhere begins with its "initiate"
            url = description["servers"][0]["url"] + path
            async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
                await response.read()
                if response.status == 200 and response.content_type == "application/json":
                    found.append(Question(url.removeprefix(base), url, token))
    return found
