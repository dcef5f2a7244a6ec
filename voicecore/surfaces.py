"""The REST surfaces of one process, each built from the same services, and the application that they are mounted on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiohttp import web

from voicecore.api.cors import cors
from voicecore.api.crm import surface as crm
from voicecore.api.dashboard import surface as dashboard
from voicecore.api.kit import BODY_LIMIT, Surface
from voicecore.api.limiter import Limiter
from voicecore.api.metrics import HttpMetrics
from voicecore.api.mount import Trail, middleware, mount
from voicecore.api.portal import surface as portal
from voicecore.api.receptionist import surface as receptionist
from voicecore.api.vocaliq import surface as vocaliq
from voicecore.dealings import Dealings
from voicecore.records import Records
from voicecore.services.retelling import Retelling


class House(msgspec.Struct, frozen=True, kw_only=True):
    """What surfaces are built from. `public_url`: how clients reach us; "" takes each request's own."""

    records: Records
    dealings: Dealings
    recordings: Path  # their directory
    public_url: str = ""
    open_call_log: bool = True  # 002: calls may be reported without a token


def surfaces(house: House) -> list[Surface]:
    """The first answers for paths that belong to none."""
    records = house.records
    return [
        vocaliq.build(
            accounts=records.accounts,
            agents=records.agents,
            calls=records.calls,
            appointments=records.appointments,
            tokens=records.tokens,
            recordings=house.recordings,
            dealings=house.dealings,
            public_url=house.public_url,
        ),
        receptionist.build(
            accounts=records.accounts,
            businesses=records.businesses,
            calls=records.calls,
            tokens=records.tokens,
            public_url=house.public_url,
            open_call_log=house.open_call_log,
        ),
        dashboard.build(records=records, dealings=house.dealings, public_url=house.public_url),
        crm.build(records=records, dealings=house.dealings, public_url=house.public_url),
        portal.build(records=records, dealings=house.dealings, public_url=house.public_url),
    ]


def application(
    built: list[Surface],
    metrics: HttpMetrics,
    limiter: Limiter,
    trail: Trail,
    retelling: Retelling,
    origins: Sequence[str] = (),
) -> web.Application:
    """`origins`: whose pages may call it from a browser."""
    layers = [middleware(built, metrics)]
    if origins:
        layers.insert(0, cors(origins))
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=layers)
    for surface in built:
        mount(app, surface, limiter, trail, retelling)
    return app
