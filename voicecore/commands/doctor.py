"""`voicecore doctor`: is everything here that a server needs? Exit status 1 when something it needs is not."""

from __future__ import annotations

import argparse
import asyncio

from rich.console import Console
from rich.text import Text

from config.schema import ServerSettings
from voicecore.commands.options import add_json, add_settings, settings, write_json
from voicecore.doctor import Finding, Verdict, examine

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pipeline", help="whose engines to try (default: the configured one)")
    parser.add_argument("--host", help="address that will be listened on")
    parser.add_argument("--port", type=int, help="port that will be listened on")
    parser.add_argument("--online", action="store_true", help="also ask providers behind a network, once each")
    add_json(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    configured = settings(args, {"pipeline": args.pipeline, "host": args.host, "port": args.port})
    findings = asyncio.run(_examine(configured, None if args.json else Console(soft_wrap=True), online=args.online))
    if args.json:
        write_json(findings)
    return int(any(finding.verdict is Verdict.FAIL for finding in findings))


async def _examine(configured: ServerSettings, console: Console | None, *, online: bool) -> list[Finding]:
    findings = []
    async for finding in examine(configured, online=online):
        findings.append(finding)
        if console is not None:
            verdict = (f"{finding.verdict.value:<5}", COLOURS[finding.verdict])
            console.print(Text.assemble(verdict, f"{finding.check:<18} {finding.text}"))
            if finding.advice:
                console.print(Text(f"     → {finding.advice}"))
    return findings
