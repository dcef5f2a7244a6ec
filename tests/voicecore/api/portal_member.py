"""A member of a company on document 000: registers or logs in, keeps the token, and knows the paths of the document."""

from __future__ import annotations

from typing import Any

from api_server import Server

PORTAL = "/api/v2/portal"
PASSWORD = "SecurePassword123!"


class Member:
    """`token` None: nobody in particular."""

    def __init__(self, server: Server, token: str | None = None) -> None:
        self.server = server
        self.token = token
        self.user: dict[str, Any] = {}

    async def ask(self, method: str, path: str, status: int, **given: Any) -> Any:
        """The body of an answer that has this status."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        response = await self.server.client.request(method, f"{PORTAL}{path}", headers=headers, **given)
        body = await response.json()
        assert response.status == status, (method, path, response.status, body)
        return body

    async def get(self, path: str, **query: Any) -> Any:
        return await self.ask("GET", path, 200, params=query)

    async def refused(self, method: str, path: str, status: int, **given: Any) -> dict[str, Any]:
        """The `error` of an answer that has this status."""
        body = await self.ask(method, path, status, **given)
        assert set(body) == {"error", "meta"}
        error: dict[str, Any] = body["error"]
        return error


async def register(server: Server, email: str = "john@company.example", **changes: Any) -> Member:
    body = {
        "name": "John Doe",
        "email": email,
        "password": PASSWORD,
        "company_name": "ACME Corp",
        "phone": "+49123456789",
        "terms_accepted": True,
        **changes,
    }
    return _member(server, await Member(server).ask("POST", "/auth/register", 201, json=body))


async def login(server: Server, email: str, password: str = PASSWORD, **more: Any) -> Member:
    body = {"email": email, "password": password, **more}
    return _member(server, await Member(server).ask("POST", "/auth/login", 200, json=body))


async def hired(boss: Member, email: str, **changes: Any) -> Member:
    """Somebody whom `boss` invited, and who came."""
    invited = await boss.ask("POST", "/team/invite", 201, json={"email": email, "name": "Jane Doe", **changes})
    return await register(boss.server, email, invitation_token=invited["invitation_token"])


def _member(server: Server, granted: dict[str, Any]) -> Member:
    member = Member(server, granted["token"])
    member.user = granted["user"]
    return member
