"""A client of the REST API who has calls made, and the simulated carrier's settings for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from media_server import House

from config.schema import CarrierSettings, SimulatedCarrierSettings
from pipelines.events import EventKind
from voicecore.services.calls import CallDetail

PEOPLE = SimulatedCarrierSettings(ring_ms=0, sentences=1)
SIMULATED = CarrierSettings(kind="simulated", simulated=PEOPLE)
START = "/api/v1/calls/outbound/start"
NOBODY = {"to_number": "+49 30 1239994", "agent_id": "reception"}  # answers, and says nothing


class Desk:
    """A client of the REST API."""

    def __init__(self, house: House, session: aiohttp.ClientSession) -> None:
        self.house = house
        self._session = session

    async def post(self, path: str, body: Any = None, status: int = 0) -> Any:
        """`status` 0: a call is started, or something done."""
        status = status or (201 if path == START else 200)
        async with self._session.post(self.house.server.url + path, json=body or {}) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer

    async def status(self, path: str, body: Any) -> int:
        """How it went to post this."""
        async with self._session.post(self.house.server.url + path, json=body) as response:
            return response.status

    async def put(self, path: str, body: Any) -> None:
        async with self._session.put(self.house.server.url + path, json=body) as response:
            assert response.status in (200, 201), await response.text()

    async def get(self, path: str) -> Any:
        async with self._session.get(self.house.server.url + path) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def call(self, call_id: str) -> CallDetail:
        detail = await self.house.find(call_id)
        assert detail is not None
        return detail

    async def running(self, **changes: Any) -> str:
        """A call that somebody has answered."""
        call_id = str((await self.post(START, NOBODY | changes))["call_id"])
        await self.house.talking(call_id)
        return call_id


@contextlib.asynccontextmanager
async def desk(house: House, who: str = "ada@demo.example") -> AsyncIterator[Desk]:
    headers = {"Authorization": f"Bearer {await house.token(who)}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Desk(house, session)


def statuses(detail: CallDetail) -> list[str]:
    return [event.data["status"] for event in detail.events if event.kind == EventKind.CARRIER_STATUS]


def transfers(detail: CallDetail) -> list[tuple[str, str]]:
    """Kind and state of each step."""
    return [(event.data["kind"], event.data["state"]) for event in detail.events if event.kind == EventKind.TRANSFER]
