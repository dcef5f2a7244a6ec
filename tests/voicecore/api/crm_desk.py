"""A client of document 003: logs in, keeps its token, and knows the envelope."""

from __future__ import annotations

from typing import Any

from api_server import Server

ADA, BOB, DORA = "ada@one.example", "bob@two.example", "dora@one.example"
CONTACT = {
    "name": "John Smith",
    "email": "john@company.com",
    "phone": "+1-555-012-3456",
    "company": "Tech Solutions Inc",
    "title": "CTO",
}
PROVIDER = {
    "name": "Asterisk Server",
    "provider_type": "asterisk",
    "host": "127.0.0.1",
    "port": 5060,
    "username": "neuracrm",
    "password": "encrypted_password",
    "context": "from-internal",
}
ARTICLE = {
    "title": "How to Reset Password",
    "content": "<p>To reset your password...</p>",
    "category": "getting_started",
    "tags": ["password", "login", "security"],
}


class Crm:
    """`token` None: nobody in particular."""

    def __init__(self, server: Server, token: str | None = None, user: dict[str, Any] | None = None) -> None:
        self.server = server
        self.token = token
        self.user = user or {}
        self.headers: dict[str, str] = {}  # what is sent besides

    async def response(self, method: str, path: str, **given: Any) -> tuple[Any, Any]:
        """The response and its body, which always says how it went."""
        headers = self.headers | ({"Authorization": f"Bearer {self.token}"} if self.token is not None else {})
        response = await self.server.client.request(method, f"/crm/api{path}", headers=headers, **given)
        body = await response.json()
        assert body["success"] is (response.status < 400), (method, path, response.status, body)
        return response, body

    async def ask(self, method: str, path: str, status: int, **given: Any) -> Any:
        response, body = await self.response(method, path, **given)
        assert response.status == status, (method, path, response.status, body)
        return body

    async def get(self, path: str, **query: Any) -> Any:
        return await self.ask("GET", path, 200, params=query)

    async def made(self, path: str, body: dict[str, Any]) -> Any:
        return (await self.ask("POST", path, 201, json=body))["data"]

    async def refused(self, method: str, path: str, status: int, code: str, **given: Any) -> dict[str, Any]:
        """The error."""
        error: dict[str, Any] = (await self.ask(method, path, status, **given))["error"]
        assert set(error) == {"code", "message", "details"}, error
        assert error["code"] == code, error
        assert error["message"]
        return error


async def login(server: Server, who: str = ADA) -> Crm:
    body = {"email": who, "password": who.partition("@")[0] + "-password"}
    data = (await Crm(server).ask("POST", "/auth/login", 200, json=body))["data"]
    return Crm(server, data["access_token"], data["user"])
