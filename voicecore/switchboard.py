"""What one process needs to hold and to make calls, before there is a port: lines, live calls, a carrier."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry

from config.schema import ServerSettings
from pipelines.engines import EngineRoom
from pipelines.pacer import Pacer
from voicecore.admission import Admission
from voicecore.carriers.choice import chosen
from voicecore.fellows import Fellows
from voicecore.live import LiveCalls
from voicecore.metrics import LoadMetrics
from voicecore.records import Records
from voicecore.rota import Rota
from voicecore.services.outbound import Outbound
from voicecore.services.transfers import Transfers


class Switchboard(msgspec.Struct, frozen=True):
    pacer: Pacer
    rota: Rota
    admission: Admission
    live: LiveCalls
    outbound: Outbound
    transfers: Transfers


def switchboard(
    settings: ServerSettings,
    records: Records,
    engines: EngineRoom,
    registry: CollectorRegistry,
    fellows: Fellows,
    base: Callable[[], str],
    stack: contextlib.AsyncExitStack,
) -> Switchboard:
    """`base`: where this server listens. Raises ConfigError (the carrier)."""
    carrier = chosen(settings, fellows, base)
    if carrier is not None:
        stack.push_async_callback(carrier.close)
    pacer = Pacer()
    stack.callback(pacer.close)
    admission = Admission(
        settings.admission,
        loop_lag_ms=lambda: pacer.lag_ms,
        engine_backlog_ms=engines.backlog_ms,
        now_ms=pacer.now_ms,
    )
    registry.register(LoadMetrics(admission, pacer, engines))
    live = LiveCalls(fellows)

    def reached_at() -> str:
        return settings.public_url.rstrip("/") or base()

    common = (records.database, settings.carrier, records.tokens, carrier, live)
    outbound = Outbound(*common, admission, reached_at)
    stack.push_async_callback(outbound.idle)  # the carrier is asked with deadlines of its own
    return Switchboard(pacer, Rota(pacer.note_lag), admission, live, outbound, Transfers(*common, reached_at))
