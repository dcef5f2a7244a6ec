"""What operators and orchestrators ask: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from voicecore.api.mount import json_response

Check = Callable[[], Awaitable[str]]  # "" when fine, else why not


def add_infrastructure(
    app: web.Application, figures: Callable[[], Awaitable[bytes]], checks: Mapping[str, Check]
) -> None:
    """`/healthz`: the loop turns. `/readyz`: every check passes, else 503 and the reasons. `/metrics`."""

    async def healthz(request: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def readyz(request: web.Request) -> web.Response:
        found = {name: await check() for name, check in checks.items()}
        ready = not any(found.values())
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {n: why or "ok" for n, why in found.items()},
        }
        return json_response(body, 200 if ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=await figures(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
