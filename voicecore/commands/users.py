"""`voicecore users list|reset-second-factor|set-password`: who has an account, and a way back in for who lost his.

A password comes from a prompt or from standard input, never from the command line, where everybody could see it.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys

from config.errors import ConfigError
from config.schema import ServerSettings
from voicecore.commands.options import add_settings, settings
from voicecore.domain.user_overview import UserOverview
from voicecore.services import operator
from voicecore.services.user_desk import UserDesk

LIST, RESET, SET = "list", "reset-second-factor", "set-password"
ACTIONS = {
    LIST: "who there is, and where",
    RESET: "the password is enough again, for who lost his authenticator and his recovery codes",
    SET: "a new password, asked for or read from standard input; all of the user's sessions end",
}


def register(parser: argparse.ArgumentParser) -> None:
    actions = "; ".join(f"{name}: {text}" for name, text in ACTIONS.items())
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=actions)
    parser.add_argument("email", nargs="?", metavar="EMAIL", help="of the user that is to be let in again")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    if (args.action == LIST) != (args.email is None):
        raise ConfigError(f"EMAIL goes with {RESET} and {SET}, and only with them", source=f"users {args.action}")
    configured = settings(args)
    password = _password(args.email) if args.action == SET else ""
    for line in asyncio.run(_do(args, configured, password)):
        sys.stdout.write(f"{line}\n")
    return 0


def _password(email: str) -> str:
    """Typed twice, for it is not seen. Raises ConfigError."""
    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    password = getpass.getpass(f"new password of {email}: ")
    if getpass.getpass("once more: ") != password:
        raise ConfigError("these were two different passwords", source=f"users {SET}")
    return password


async def _do(args: argparse.Namespace, configured: ServerSettings, password: str) -> list[str]:
    async with operator.opened(configured) as office, office.users() as desk:
        if args.action == LIST:
            return [_line(user) for user in await desk.everyone()]
        return [await _let_in(desk, args.action, args.email, password)]


async def _let_in(desk: UserDesk, action: str, email: str, password: str) -> str:
    if action == SET:
        return f"the password is set; sessions that were ended: {await desk.set_password(email, password)}"
    if await desk.reset_second_factor(email):
        return "the second factor is reset; the password is enough until another one is enabled"
    return "there was no second factor; the password was enough before"


def _line(user: UserOverview) -> str:
    marks = ("second factor", user.second_factor), ("platform administrator", user.platform_admin)
    more = [name for name, held in (*marks, ("switched off", not user.active)) if held]
    where = "; ".join(f"{one.organization_id} ({', '.join((*one.roles, one.state))})" for one in user.belongs_to)
    return f"{user.email:40} {where or 'nowhere'}{''.join(f' [{mark}]' for mark in more)}"
