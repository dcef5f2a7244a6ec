"""`voicecore calls`: what happened on this machine, newest first; with an id, one call as a waterfall."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any, Literal

import msgspec
from rich.table import Table

from config.schema import ServerSettings
from pipelines.timing import response_latency_ms, waterfall
from voicecore.commands.options import add_json, add_settings, console, settings, write_json
from voicecore.services import operator
from voicecore.services.calls import CallDetail
from voicecore.services.operator import OperatorCall
from voicecore.waterfall import draw_call


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="a call's id or sid, or the beginning of one")
    parser.add_argument("--limit", type=_count, default=20, help="how many to list (default: 20)")
    add_json(parser)
    add_settings(parser)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError("a number from 1 to 10000 is expected")
    return int(text)


def run(args: argparse.Namespace) -> int:
    configured = settings(args)
    if args.id is not None:
        detail = asyncio.run(_find(configured, args.id))
        if args.json:
            write_json(detail_data(detail))
        else:
            draw_call(console(), detail)
        return 0
    calls = asyncio.run(_recent(configured, args.limit))
    if args.json:
        write_json([{"organization": row.organization, **call_data(row)} for row in calls])
    else:
        console().print(_table(calls) if calls else "no calls yet")
    return 0


async def _find(configured: ServerSettings, name: str) -> CallDetail:
    async with operator.opened(configured) as office:
        return await office.find(name)


async def _recent(configured: ServerSettings, limit: int) -> list[OperatorCall]:
    async with operator.opened(configured) as office:
        return await office.recent(limit)


def call_data(row: OperatorCall) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(row.call)
    return {**data, "duration_s": row.call.duration_s}


def detail_data(detail: CallDetail) -> dict[str, Any]:
    """Everything stored about a call, and each turn's waterfall computed from its marks."""
    data: dict[str, Any] = msgspec.to_builtins(detail)
    data["call"]["duration_s"] = detail.call.duration_s
    for turn, plain in zip(detail.turns, data["turns"], strict=True):
        plain["waterfall"] = {stage.value: waited for stage, waited in waterfall(turn.marks).items()}
        plain["response_latency_ms"] = response_latency_ms(turn.marks)
    return data


def _table(rows: list[OperatorCall]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    whole = max((len(row.call.external_id) for row in rows), default=0)  # to be copied: never cut, however narrow it is
    for name in ("when", "id", "from", "agent", "seconds", "ended", "p50 ms", "p95 ms"):
        side: Literal["left", "right"] = "right" if name in ("seconds", "p50 ms", "p95 ms") else "left"
        table.add_column(name, justify=side, no_wrap=True, min_width=whole if name == "id" else None)
    for row in rows:
        call = row.call
        latency = call.stages.get("response_latency", {})
        table.add_row(
            f"{call.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
            call.external_id,
            call.from_number,
            call.agent_id,
            f"{call.duration_s:.1f}",
            call.end_reason.value if call.end_reason else call.status.value,
            *(f"{latency[name]:.0f}" if name in latency else "-" for name in ("p50", "p95")),
        )
    return table
