"""The organization that a first start makes: an administrator with a random password, every shipped agent.

It is made once. What its owner changes or removes later stays changed or removed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import msgspec

from config.loader import load_struct
from voicecore.services.seed_format import SeedAgent, SeedFile, SeedOrganization, SeedUser, Tally
from voicecore.services.seeding import SHIPPED_AGENTS, Seeder, shipped_agents
from voicecore.storage import tenants
from voicecore.storage.database import Database

ORGANIZATION = "org_demo"
EMAIL = "admin@demo.local"
FIRST_AGENT = "receptionist"


async def demo_seed(database: Database, seeder: Seeder, credentials: Path) -> Tally | None:
    """Make the demo organization unless it is there. Its login is written to `credentials`, for the owner of
    the process only (mode 0600). None when there was nothing to do."""
    async with database.read() as connection:
        if await tenants.organization_named(connection, ORGANIZATION) is not None:
            return None
    password = secrets.token_urlsafe(15)
    wanted = await asyncio.to_thread(_demo, password)
    tally = await seeder.apply(wanted, source="demo")
    await asyncio.to_thread(_write_private, credentials, f"{EMAIL}\n{password}\n")
    return tally


def read_credentials(credentials: Path) -> tuple[str, str] | None:
    """E-mail and password of the demo administrator, when this server made one."""
    if not credentials.is_file():
        return None
    email, _, password = credentials.read_text().strip().partition("\n")
    return email, password


def _shipped(name: str) -> SeedAgent:
    """Raises ConfigError. Blocks on a file."""
    agent = load_struct(SHIPPED_AGENTS / f"{name}.yaml", SeedAgent)
    return agent if agent.id else msgspec.structs.replace(agent, id=name)


def _demo(password: str) -> SeedFile:
    administrator = SeedUser(email=EMAIL, password=password, name="Administrator", roles=("admin", "user"))
    return SeedFile(
        organizations=(
            SeedOrganization(
                id=ORGANIZATION,
                name="Demo",
                users=(administrator,),
                # The first one answers where a call names neither agent nor number.
                agents=tuple(_shipped(name) for name in sorted(shipped_agents(), key=lambda n: n != FIRST_AGENT)),
            ),
        )
    )


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)  # also where the file was there already
        file.write(text)
