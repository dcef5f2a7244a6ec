"""`voicecore secrets set|list|remove|rotate`: keys of providers, kept encrypted in the server's database.

A value comes from a prompt or from standard input, never from the command line, where everybody could see it.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys

from config.errors import ConfigError
from config.schema import ServerSettings
from voicecore.commands.options import add_settings, settings
from voicecore.services import operator

ACTIONS = {
    "set": "store a key, or replace it",
    "list": "the names of what is stored",
    "remove": "forget a key",
    "rotate": "encrypt all of them with the newest secrets_key",
}


def register(parser: argparse.ArgumentParser) -> None:
    actions = "; ".join(f"{name}: {text}" for name, text in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=actions)
    parser.add_argument("name", nargs="?", metavar="NAME", help="as a pipeline's options call it: store:NAME")
    parser.add_argument("--organization", metavar="ID", default="", help="for its agents only")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    needs_name = args.action in ("set", "remove")
    if needs_name != (args.name is not None):
        raise ConfigError("NAME goes with set and remove, and only with them", source=f"secrets {args.action}")
    configured = settings(args)
    value = _value(args.name) if args.action == "set" else ""
    for line in asyncio.run(_do(args, configured, value)):
        sys.stdout.write(f"{line}\n")
    return 0


def _value(name: str) -> str:
    return getpass.getpass(f"value of {name}: ") if sys.stdin.isatty() else sys.stdin.read()


async def _do(args: argparse.Namespace, configured: ServerSettings, value: str) -> list[str]:
    async with operator.opened(configured, create=True) as office:
        store = office.secrets(configured)
        if args.action == "set":
            await store.set(args.name, value, args.organization)
            return [f"stored; use it as store:{args.name}"]
        if args.action == "remove":
            await store.remove(args.name, args.organization)
            return ["removed"]
        if args.action == "rotate":
            return [f"{await store.rotate()} encrypted anew"]
        return [f"{one.name:30} {one.organization_id or 'everybody'}" for one in await store.everyone()]
