"""Puts surfaces on an aiohttp application: identify → limit → authorize → validate → handle → encode.

Every failure on the way, and every unknown path, leaves in the shape of the surface it belongs to.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

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
)
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics
from voicecore.api.parsing import parse_body, parse_query, read_body
from voicecore.domain.accounts import Principal
from voicecore.domain.ids import new_external_id

log = structlog.get_logger(__name__)

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
ROUTE: web.RequestKey[Route] = web.RequestKey("route", Route)
ALLOWANCE: web.RequestKey[dict[str, str]] = web.RequestKey("allowance", dict)
NEXT = Callable[[web.Request], Awaitable[web.StreamResponse]]
CRASH_STATUS = Crashed.http_status
_SECURITY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def mount(app: web.Application, surface: Surface, limiter: Limiter) -> None:
    """Add the surface's routes. The application also needs `middleware` of all its surfaces."""
    for route in surface.routes:
        app.router.add_route(route.method, surface.root + route.path, _endpoint(route, surface, limiter))


def _endpoint(route: Route, surface: Surface, limiter: Limiter) -> NEXT:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        request[ROUTE] = route
        try:
            principal = await _identify(route, surface, request)
        except AuthenticationError:
            await _limit(route, surface, limiter, request, None)  # guessing tokens is limited too
            raise
        await _limit(route, surface, limiter, request, principal)
        if principal is not None and route.permission is not None and not principal.may(route.permission):
            raise PermissionDenied("not permitted")
        exchange = Exchange(http=request, principal=principal)
        if route.query is not None:
            exchange.query = parse_query(request.query, route.query)
        if route.body is not None:
            exchange.body, exchange.body_members = parse_body(await read_body(request), route.body)
        return _encode(await route.handler(exchange), route)

    return endpoint


async def _identify(route: Route, surface: Surface, request: web.Request) -> Principal | None:
    if route.auth in (Auth.NONE, Auth.REFRESH):
        return None
    if route.auth is Auth.ACCESS_OR_SIGNATURE and "signature" in request.query:
        return None
    if route.auth is Auth.OPTIONAL and hdrs.AUTHORIZATION not in request.headers:
        return None
    return await surface.authenticate(bearer_token(request))


async def _limit(
    route: Route, surface: Surface, limiter: Limiter, request: web.Request, principal: Principal | None
) -> None:
    subject = f"user:{principal.user_uid}" if principal else f"ip:{request.remote}"
    limit_class = "anonymous" if route.auth is Auth.OPTIONAL and principal is None else route.limit
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

    def surface_of(path: str) -> Surface:
        below = [s for s in surfaces if s.prefix and path.startswith(s.prefix + "/")]
        return max(below, key=lambda s: len(s.prefix), default=surfaces[0])

    @web.middleware
    async def outermost(request: web.Request, handler: NEXT) -> web.StreamResponse:
        request[REQUEST_ID] = request_id = new_external_id("req")
        began = time.perf_counter()
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = _refusal(surface_of(request.path), _translated(error), request_id)
        except VoicecoreError as error:
            if error.http_status == CRASH_STATUS:
                log.error("request_failed", request_id=request_id, code=error.code, reason=error.message)
                error = _crash(request)
            response = _refusal(surface_of(request.path), error, request_id)
        except (ConnectionError, TimeoutError):
            raise  # the client left, or the server stops
        except Exception:
            # The last stand before the socket: whatever it was, the client gets the surface's own answer.
            # Formatted here: a logger that shows local variables would show secrets.
            log.error(
                "request_crashed",
                request_id=request_id,
                method=request.method,
                route=_template(request),
                traceback=traceback.format_exc(),
            )
            response = _refusal(surface_of(request.path), _crash(request), request_id)
        if not response.prepared:
            response.headers["X-Request-ID"] = request_id
            response.headers.update(_SECURITY)
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
