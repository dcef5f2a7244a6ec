"""Puts surfaces on an aiohttp application: identify → limit → authorize → validate → handle → record → encode.

Every failure on the way, and every unknown path, leaves in the shape of the surface it belongs to.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog
from aiohttp import hdrs, web

from pipelines.errors import (
    AuthenticationError,
    MessageTooLarge,
    NotFound,
    PermissionDenied,
    ProtocolError,
    VoicecoreError,
)
from voicecore.api.kit import (
    Auth,
    Crashed,
    Exchange,
    MethodNotAllowed,
    RateLimited,
    Reply,
    Route,
    Surface,
    bearer_token,
    device_of,
)
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics
from voicecore.api.parsing import parse_body, parse_query, read_body
from voicecore.domain.accounts import Device, Principal
from voicecore.domain.audit import Deed, deed
from voicecore.services.retelling import Retelling

log = structlog.get_logger(__name__)

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
ROUTE: web.RequestKey[Route] = web.RequestKey("route", Route)
SURFACE: web.RequestKey[Surface] = web.RequestKey("surface", Surface)
ALLOWANCE: web.RequestKey[dict[str, str]] = web.RequestKey("allowance", dict)
NEXT = Callable[[web.Request], Awaitable[web.StreamResponse]]
CRASH_STATUS = Crashed.http_status
# OWASP ASVS 5.0 §3.4 and §14.3.2; what a route sets itself, stays. No page may frame us, nothing is kept by caches, and
# the server does not tell its version.
_SECURITY = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    hdrs.SERVER: "voicecore",
    "Strict-Transport-Security": "max-age=31536000",  # browsers heed it over TLS alone (RFC 6797 §8.1)
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Trail(Protocol):
    """Where it is written who changed what, and who asked for what he may not do."""

    async def changed(
        self, who: Principal, device: Device, deed: Deed, model_id: str, sent: Mapping[str, Any]
    ) -> None: ...

    async def denied(self, who: Principal, device: Device, deed: Deed, model_id: str) -> None: ...


def mount(app: web.Application, surface: Surface, limiter: Limiter, trail: Trail, retelling: Retelling) -> None:
    """Add the surface's routes. The application also needs `middleware` of all its surfaces."""
    for route in surface.routes:
        app.router.add_route(
            route.method, surface.root + route.path, _endpoint(route, surface, limiter, trail, retelling)
        )


def _endpoint(route: Route, surface: Surface, limiter: Limiter, trail: Trail, retelling: Retelling) -> NEXT:
    done = deed(route.method, route.path)
    audited = route.changes and route.method != hdrs.METH_GET

    async def endpoint(request: web.Request) -> web.StreamResponse:
        request[ROUTE], request[SURFACE] = route, surface
        request[REQUEST_ID] = surface.new_request_id()
        try:
            principal = await _identify(route, surface, request)
        except AuthenticationError:
            await _limit(route, surface, limiter, request, None)  # guessing tokens is limited too
            raise
        await _limit(route, surface, limiter, request, principal)
        if principal is not None and surface.admit is not None:
            principal = await surface.admit(principal, request)
        if principal is not None and route.permission is not None and not principal.may(route.permission):
            await trail.denied(principal, device_of(request), done, _subject(request, None))
            raise PermissionDenied("not permitted")
        exchange = Exchange(http=request, principal=principal)
        if route.retold:
            return _announced(await _retold(route, exchange, retelling), route)
        result = await _handled(route, exchange)
        if audited and principal is not None:
            await trail.changed(principal, exchange.device, done, _subject(request, result), _sent(exchange))
        return _announced(_encode(result, route), route)

    return endpoint


async def _handled(route: Route, exchange: Exchange) -> Any:
    if route.query is not None:
        exchange.query = parse_query(exchange.http.query, route.query)
    if route.body is not None:
        exchange.body, exchange.body_members = parse_body(await read_body(exchange.http), route.body)
    return await route.handler(exchange)


async def _retold(route: Route, exchange: Exchange, retelling: Retelling) -> web.StreamResponse:
    async def make() -> bytes:
        return msgspec.json.encode(await _handled(route, exchange))

    request = exchange.http
    body = await retelling.told((request.raw_path, request.raw_headers, exchange.principal), make)
    return web.Response(body=body, content_type="application/json")


def _subject(request: web.Request, result: Any) -> str:
    """The id of what a request was about: the last one of its path, else of what came out."""
    if request.match_info:
        return list(request.match_info.values())[-1]
    body = result.body if isinstance(result, Reply) else result
    if isinstance(body, msgspec.Struct) and not hasattr(body, "id"):
        inner = (getattr(body, name) for name in body.__struct_fields__)
        body = next((value for value in inner if hasattr(value, "id")), None)
    return str(getattr(body, "id", ""))


def _sent(exchange: Exchange) -> dict[str, Any]:
    if exchange.body is None:
        return {}
    members: dict[str, Any] = msgspec.to_builtins(exchange.body, str_keys=True)
    return {name: value for name, value in members.items() if name in exchange.body_members}


def _announced(response: web.StreamResponse, route: Route) -> web.StreamResponse:
    """With the headers of a route that will go, as document 000 "Versioning" shows them."""
    if route.deprecated is not None:
        response.headers["X-API-Deprecation"] = "true"
        response.headers["X-API-Deprecation-Date"] = route.deprecated.date
        response.headers["X-API-Deprecation-Info"] = route.deprecated.info
    return response


async def _identify(route: Route, surface: Surface, request: web.Request) -> Principal | None:
    if route.auth in (Auth.NONE, Auth.REFRESH, Auth.SIGNATURE):
        return None
    if route.auth is Auth.ACCESS_OR_SIGNATURE and "signature" in request.query:
        return None
    if route.auth is Auth.OPTIONAL and hdrs.AUTHORIZATION not in request.headers:
        return None
    return await surface.authenticate(bearer_token(request))


async def _limit(
    route: Route, surface: Surface, limiter: Limiter, request: web.Request, principal: Principal | None
) -> None:
    limit_class = "anonymous" if route.auth is Auth.OPTIONAL and principal is None else route.limit
    named = principal if limit_class not in surface.by_address else None
    subject = f"user:{named.user_uid}" if named else f"ip:{request.remote}"
    allowance = await limiter.hit(surface.name, limit_class, surface.limits[limit_class], subject)
    if allowance is None:
        return
    request[ALLOWANCE] = surface.limit_headers(allowance)
    if not allowance.allowed:
        raise RateLimited(allowance.retry_after_s)


def _encode(result: Any, route: Route) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    reply = result if isinstance(result, Reply) else Reply(result, route.status)
    return json_response(reply.body, reply.status, reply.headers)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json")


def middleware(surfaces: Sequence[Surface], metrics: HttpMetrics | None = None) -> Any:
    """The outermost layer: request ids, errors in each surface's shape, limit headers, figures.

    The first surface answers for paths that belong to none.
    """

    def surface_of(request: web.Request) -> Surface:
        if SURFACE in request:  # also outside of its prefix
            return request[SURFACE]
        path = request.path
        below = [s for s in surfaces if s.prefix and f"{path}/".startswith(s.prefix + "/")]
        return max(below, key=lambda s: len(s.prefix), default=surfaces[0])

    @web.middleware
    async def outermost(request: web.Request, handler: NEXT) -> web.StreamResponse:
        request[REQUEST_ID] = surface_of(request).new_request_id()
        began = time.perf_counter()
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = _refusal(surface_of(request), _translated(error), request[REQUEST_ID])
        except VoicecoreError as error:
            if error.http_status == CRASH_STATUS:
                log.error("request_failed", request_id=request[REQUEST_ID], code=error.code, reason=error.message)
                error = _crash(request)
            response = _refusal(surface_of(request), error, request[REQUEST_ID])
        except (ConnectionError, TimeoutError):
            raise  # the client left, or the server stops
        except Exception:
            # The last stand before the socket: whatever it was, the client gets the surface's own answer.
            # Formatted here: a logger that shows local variables would show secrets.
            log.error(
                "request_crashed",
                request_id=request[REQUEST_ID],
                method=request.method,
                route=_template(request),
                traceback=traceback.format_exc(),
            )
            response = _refusal(surface_of(request), _crash(request), request[REQUEST_ID])
        if not response.prepared:
            response.headers["X-Request-ID"] = request[REQUEST_ID]
            for name, value in _SECURITY.items():
                response.headers.setdefault(name, value)
            if ALLOWANCE in request:
                response.headers.update(request[ALLOWANCE])
        if metrics is not None:
            seconds = time.perf_counter() - began
            metrics.observe(_template(request), _method(request), response.status, seconds)
        return response

    return outermost


def _crash(request: web.Request) -> Crashed:
    return Crashed(request[ROUTE].failure if ROUTE in request else "Internal server error")


def _refusal(surface: Surface, error: VoicecoreError, request_id: str) -> web.Response:
    rendered = surface.render_error(error, request_id)
    response = json_response(rendered.body, rendered.status, rendered.headers)
    if isinstance(error, MethodNotAllowed):
        response.headers[hdrs.ALLOW] = ", ".join(error.allowed)
    elif isinstance(error, RateLimited):
        response.headers[hdrs.RETRY_AFTER] = str(error.retry_after_s)
    elif isinstance(error, AuthenticationError):
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


def _translated(error: web.HTTPException) -> VoicecoreError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed([method for method in error.allowed_methods if method != hdrs.METH_HEAD])
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return MessageTooLarge("request body too large")
    if error.status == 404:
        return NotFound("no such path")
    return ProtocolError(error.reason)


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _method(request: web.Request) -> str:
    return request.method if request.method in hdrs.METH_ALL else "other"
