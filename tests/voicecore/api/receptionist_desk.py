"""A client of document 002: registers, keeps its token, and knows the paths of the document."""

from __future__ import annotations

import itertools
from typing import Any

from api_server import Server

CALL = {
    "caller_phone": "+1-555-0200",
    "caller_name": "John Smith",
    "duration_seconds": 45.5,
    "stt_latency_ms": 150,
    "llm_latency_ms": 300,
    "tts_latency_ms": 200,
    "transcript": "Customer: Hello, I'd like to schedule an appointment...",
    "sentiment": "POSITIVE",
    "success": True,
    "recording_url": "https://storage.example.com/call-123.wav",
    "notes": "Customer interested in cleaning appointment",
}
_numbers = itertools.count(100)


class Desk:
    """`token` None: nobody in particular."""

    def __init__(self, server: Server, token: str | None = None) -> None:
        self.server = server
        self.token = token

    async def ask(self, method: str, path: str, status: int | None = None, **given: Any) -> Any:
        """The body; `status` is what is expected of the answer, None takes any and gives (status, body)."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        response = await self.server.client.request(method, f"/receptionist/api{path}", headers=headers, **given)
        body = await response.json()
        if status is None:
            return response.status, body
        assert response.status == status, (method, path, response.status, body)
        return body

    async def get(self, path: str, **query: Any) -> Any:
        return await self.ask("GET", path, 200, params=query)

    async def client(self, **changes: Any) -> dict[str, Any]:
        wanted = {"name": "Dr. Mike's Dental", "phone_number": f"+1-555-0{next(_numbers)}", **changes}
        client: dict[str, Any] = (await self.ask("POST", "/clients", 201, json=wanted))["client"]
        return client

    async def log(self, client_id: str, **facts: Any) -> dict[str, Any]:
        body = {"client_id": client_id, **facts}
        call: dict[str, Any] = (await self.ask("POST", "/calls", 201, json=body))["call"]
        return call


async def register(server: Server, email: str = "user@example.com", **changes: Any) -> Desk:
    body = {"email": email, "password": "password123", "name": "John Doe", **changes}
    return Desk(server, (await Desk(server).ask("POST", "/auth/register", 201, json=body))["token"])
