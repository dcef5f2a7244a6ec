"""A client of document 001: registers, keeps its token, and knows the paths of the document."""

from __future__ import annotations

from typing import Any

from api_server import Server


class Board:
    """`token` None: nobody in particular."""

    def __init__(self, server: Server, token: str | None = None, user: dict[str, Any] | None = None) -> None:
        self.server = server
        self.token = token
        self.user = user or {}

    async def ask(self, method: str, path: str, status: int = 200, **given: Any) -> Any:
        """The body of an answer with this status."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        response = await self.server.client.request(method, f"/dashboard/api{path}", headers=headers, **given)
        body = await response.json()
        assert response.status == status, (method, path, response.status, body)
        return body

    async def get(self, path: str, **query: Any) -> Any:
        return await self.ask("GET", path, params=query)

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        return await self.ask("POST", path, status, json=body)

    async def workspace(self) -> str:
        """The one that is selected."""
        selected: str = (await self.get("/settings"))["selectedWorkspaceId"]
        return selected


async def register(server: Server, email: str = "user@example.com", **changes: Any) -> Board:
    body = {"email": email, "password": "securepassword", "name": "John Doe", **changes}
    answer = await Board(server).post("/auth/register", **body)
    return Board(server, answer["token"], answer["user"])


async def login(server: Server, email: str, password: str = "") -> Board:
    """A seeded user, by default with the password that the seed gives."""
    body = {"email": email, "password": password or email.partition("@")[0] + "-password"}
    answer = await Board(server).post("/auth/login", **body)
    return Board(server, answer["token"], answer["user"])
