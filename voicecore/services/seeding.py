"""Provisions organizations and everything they own from one YAML file: idempotent, strict, all or nothing.

The format stands in `docs/seed.md`. Passwords are neither logged nor stored other than hashed.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec
import structlog
from sqlalchemy.exc import IntegrityError

from config.loader import load_struct
from pipelines.errors import ConfigError
from voicecore.domain import instants
from voicecore.domain.agents import merge
from voicecore.domain.emails import fold_email
from voicecore.services.passwords import Passwords
from voicecore.services.seed_format import SeedAgent, SeedFile, Tally
from voicecore.services.seed_rows import OrganizationSeeder
from voicecore.storage import tenants
from voicecore.storage.database import Database
from voicecore.storage.provisioning import Provisioner

log = structlog.get_logger(__name__)

SHIPPED_AGENTS = files("config") / "agents"


def shipped_agents() -> list[str]:
    """Names of the agent files that come with the product."""
    if not SHIPPED_AGENTS.is_dir():
        return []
    names = [entry.name for entry in SHIPPED_AGENTS.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def agent_file(name: str, base: Path) -> Traversable:
    """A shipped agent by its name, else a path, relative to the seed file's directory."""
    if name in shipped_agents():
        return SHIPPED_AGENTS / f"{name}.yaml"
    return base / name


class Seeder:
    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def seed(self, file: Path) -> Tally:
        """Raises ConfigError naming file, key and reason; then nothing was written."""
        wanted = await asyncio.to_thread(_read, file)
        return await self.apply(wanted, source=str(file))

    async def apply(self, wanted: SeedFile, *, source: str) -> Tally:
        """The same for what was read or built already."""
        hashes = await self._hashes(wanted)
        tally = Tally()
        try:
            async with self._database.write() as connection:
                provisioner = Provisioner(connection)
                for index, organization in enumerate(wanted.organizations):
                    at = f"organizations[{index}]"
                    await OrganizationSeeder(provisioner, organization, source, at).run(hashes)
        except IntegrityError as error:
            reason = f"contradicts what is stored: {error.orig}"
            raise ConfigError(reason, source=source, key="organizations") from error
        for table, change in provisioner.changes:
            tally.count(change.value, table)
        log.info("seeded", source=source, created=sum(tally.created.values()), updated=sum(tally.updated.values()))
        return tally

    async def _hashes(self, wanted: SeedFile) -> dict[str, str]:
        """By e-mail: the stored hash where the password fits it, else a new one."""
        found: dict[str, str] = {}
        for organization in wanted.organizations:
            for user in organization.users:
                email = fold_email(user.email)
                async with self._database.read() as connection:
                    known = await tenants.user_by_email(connection, email)
                if known is not None and await self._passwords.verify(known.password_hash, user.password):
                    found[email] = known.password_hash
                else:
                    found[email] = await self._passwords.hash(user.password)
        return found


def _read(file: Path) -> SeedFile:
    wanted = load_struct(file, SeedFile)
    organizations = []
    for o, organization in enumerate(wanted.organizations):
        at = f"organizations[{o}]"
        _check_zone(organization.timezone, str(file), f"{at}.timezone")
        for b, branch in enumerate(organization.branches):
            if branch.timezone:
                _check_zone(branch.timezone, str(file), f"{at}.branches[{b}].timezone")
        agents = tuple(_resolved(agent, file, f"{at}.agents[{a}]") for a, agent in enumerate(organization.agents))
        organizations.append(msgspec.structs.replace(organization, agents=agents))
    return SeedFile(organizations=tuple(organizations))


def _check_zone(name: str, source: str, key: str) -> None:
    try:
        instants.zone(name)
    except ValueError as error:
        raise ConfigError(str(error), source=source, key=key) from error


def _resolved(agent: SeedAgent, file: Path, at: str) -> SeedAgent:
    if agent.file:
        base = load_struct(agent_file(agent.file, file.parent), SeedAgent)
        agent = overlaid(base, agent)
    if agent.id is None:
        raise ConfigError("an agent needs an id", source=str(file), key=f"{at}.id")
    if agent.company and agent.company.timezone:
        _check_zone(agent.company.timezone, str(file), f"{at}.company.timezone")
    return agent


def overlaid(base: SeedAgent, over: SeedAgent) -> SeedAgent:
    """What `over` says, else what the file says; `config` is merged deeply."""
    defaults = SeedAgent()
    changes = {
        name: value
        for name, value in msgspec.structs.asdict(over).items()
        if value != getattr(defaults, name) and name not in ("file", "config")
    }
    return msgspec.structs.replace(base, **changes, config=merge(base.config, over.config))
