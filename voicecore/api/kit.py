"""A REST surface as data: a table of routes, and what a surface must say about errors, limits and identity.

Knows no surface and no service. `mount.py` turns tables into aiohttp routes, `openapi.py` into a document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from aiohttp import web

from pipelines.errors import AuthenticationError, VoicecoreError
from pipelines.errors import RateLimited as RateLimited
from voicecore.api.limiter import Allowance, limit_headers
from voicecore.domain.accounts import Device, Permission, Principal
from voicecore.domain.ids import new_external_id

BODY_LIMIT = 1024 * 1024  # bytes
LONGEST_USER_AGENT = 500  # characters that are kept


class Auth(StrEnum):
    NONE = "none"
    ACCESS = "access"
    REFRESH = "refresh"  # the handler checks the bearer token itself
    SIGNATURE = "signed"  # a signed URL, and no token; the handler checks it
    ACCESS_OR_SIGNATURE = "signature"  # a signed URL will do instead of a token
    OPTIONAL = "optional"  # none will do, but a wrong one will not; without one the limit is that of "anonymous"


class MethodNotAllowed(VoicecoreError):
    code = "method_not_allowed"
    http_status = 405

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__("method not allowed")
        self.allowed = tuple(sorted(allowed))


class NotAvailableYet(VoicecoreError):
    """The document has this operation, this server does not."""

    code = "not_available_yet"
    http_status = 503


class Crashed(VoicecoreError):
    """Something that nobody foresaw. `what` is what the route says then; the log has the rest."""

    code = "internal"
    http_status = 500

    def __init__(self, what: str) -> None:
        super().__init__(what)


class Exchange(msgspec.Struct, kw_only=True):
    """One request, already authenticated and validated. `body` and `query` are what the route announces."""

    http: web.Request
    principal: Principal | None
    query: Any = None
    body: Any = None
    body_members: frozenset[str] = frozenset()  # what the client really sent, to tell null from absent

    @property
    def who(self) -> Principal:
        assert self.principal is not None  # only routes without authentication have none
        return self.principal

    @property
    def organization_uid(self) -> str:
        return self.who.organization_uid

    def path(self, name: str) -> str:
        """No id has a NUL, and not every database takes a question with one: what stands in its place names nothing."""
        return self.http.match_info[name].replace("\x00", "\ufffd")

    def bearer(self) -> str:
        return bearer_token(self.http)

    @property
    def device(self) -> Device:
        return device_of(self.http)


class Reply(msgspec.Struct):
    """A body with another status than the route's, or with headers."""

    body: Any
    status: int = 200
    headers: dict[str, str] = {}


Handler = Callable[[Exchange], Awaitable[Any]]


class Deprecation(msgspec.Struct, frozen=True):
    """A route that will go: from which day on it is out of date (YYYY-MM-DD), and where to read about it."""

    date: str
    info: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `limit` names a class of the surface's limits, `failure` is told when the handler crashes.
    A handler returns an instance of `response`, a Reply around one, or (with `response` None) an aiohttp response of
    its own."""

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    body: type[msgspec.Struct] | None = None
    form: type[msgspec.Struct] | None = None  # multipart; the handler reads it itself
    query: type[msgspec.Struct] | None = None
    response: Any = None
    status: int = 200
    media_type: str = "application/json"
    auth: Auth = Auth.ACCESS
    permission: Permission | None = Permission.READ
    limit: str = "standard"
    failure: str = "Internal server error"
    changes: bool = True  # False: a POST that only asks, and is no entry of the audit trail
    deprecated: Deprecation | None = None
    retold: bool = False  # a GET whose answer, status 200, follows from the request, the day and the database alone


def not_yet(
    method: str,
    path: str,
    tag: str,
    *,
    auth: Auth = Auth.ACCESS,
    permission: Permission | None = Permission.READ,
    limit: str = "standard",
) -> Route:
    """An operation of the document that is not served: who may ask is told so, in the surface's own shape."""

    async def refuse(exchange: Exchange) -> None:
        raise NotAvailableYet("not available yet")

    return Route(
        method=method,
        path=path,
        handler=refuse,
        summary="Not available yet: 503",
        tag=tag,
        auth=auth,
        permission=permission,
        limit=limit,
    )


class Rendered(msgspec.Struct):
    status: int
    body: Any
    headers: dict[str, str] = {}


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of one document sees. `limits` are rates like "10 per hour" by class, "": as many as he likes;
    `limit_headers` tells how much of one is left. Routes have the paths of the document, which follow `root`."""

    name: str
    title: str
    version: str
    description: str
    routes: Sequence[Route]
    limits: Mapping[str, str]
    limit_headers: Callable[[Allowance], dict[str, str]] = limit_headers
    render_error: Callable[[VoicecoreError, str], Rendered]  # with the request's id
    authenticate: Callable[[str], Awaitable[Principal]]
    error_shape: type[msgspec.Struct]
    root: str = ""
    prefix: str = ""  # unknown paths below it get this surface's errors
    admit: Callable[[Principal, web.Request], Awaitable[Principal]] | None = None  # may refuse or narrow who was proven
    by_address: frozenset[str] = frozenset()  # classes of limits that count addresses, whoever asks
    new_request_id: Callable[[], str] = lambda: new_external_id("req")


def device_of(request: web.Request) -> Device:
    return Device(request.remote or "", request.headers.get("User-Agent", "")[:LONGEST_USER_AGENT])


def bearer_token(request: web.Request) -> str:
    """The token of the Authorization header (RFC 6750 §2.1). Raises AuthenticationError."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise AuthenticationError("bearer token required")
    return token.strip()
