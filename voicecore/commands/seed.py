"""`voicecore seed FILE`: bring organizations, users, agents and what hangs on them to what the file says."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec

from config.schema import ServerSettings
from voicecore.commands.options import add_json, add_settings, settings, write_json
from voicecore.services import operator
from voicecore.services.seed_format import Tally


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="YAML; seeding it once more changes nothing")
    add_json(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    tally = asyncio.run(_seed(settings(args), Path(args.file)))
    if args.json:
        write_json(tally)
        return 0
    for what, counts in msgspec.to_builtins(tally).items():
        rows = ", ".join(f"{count} {table}" for table, count in sorted(counts.items()))
        sys.stdout.write(f"{what:<10} {rows or 'nothing'}\n")
    return 0


async def _seed(configured: ServerSettings, file: Path) -> Tally:
    async with operator.opened(configured, create=True) as office:
        return await office.seed(file)
