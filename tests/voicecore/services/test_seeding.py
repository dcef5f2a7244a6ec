"""Seed files: the documented example runs, twice changes nothing, mistakes are named and leave nothing."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.errors import ConfigError
from voicecore.services.accounts import Accounts
from voicecore.services.calls import Calls
from voicecore.services.demo import demo_seed, read_credentials
from voicecore.services.operator import Operator
from voicecore.services.passwords import Passwords
from voicecore.services.second_factors import SecondFactors
from voicecore.services.secret_store import SecretStore
from voicecore.services.seed_format import SeedFile, SeedOrganization, SeedUser
from voicecore.services.seeding import Seeder, shipped_agents
from voicecore.services.tokens import Tokens
from voicecore.storage import tenants
from voicecore.storage.database import Database
from voicecore.storage.schema import metadata

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "seed.md"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    found = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    file = tmp_path / "example.yaml"
    file.write_text(found[1])
    return file


CLASH = """
      - {id: apt_2, resource: resource_miller, start: 2026-01-22T15:15:00Z, minutes: 30}
"""


def edit(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)


def accounts_of(database: Database, passwords: Passwords) -> Accounts:
    factors = SecondFactors(database, SecretStore(database, [b"k"]), passwords)
    return Accounts(database, passwords, Tokens(b"k" * 32), factors)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    async with database.read() as connection:
        return {
            table.name: [tuple(map(repr, row)) for row in (await connection.execute(sa.select(table))).all()]
            for table in metadata.sorted_tables
        }


async def test_the_documented_example_runs_and_twice_changes_nothing(
    database: Database, passwords: Passwords, example: Path
) -> None:
    seeder = Seeder(database, passwords)
    first = await seeder.seed(example)
    before = await contents(database)
    second = await seeder.seed(example)
    assert first.created["users"] == 2
    assert (second.created, second.updated) == ({}, {})
    assert await contents(database) == before
    grant = await accounts_of(database, passwords).login("admin@bright.example", "change-me-please", "vocaliq")
    detail = await Calls(database).get(grant.membership.organization_uid, "call_987")
    assert detail.call.duration_s == 180
    assert detail.turns[1].response_latency_ms == 437
    assert [a.external_id for a in detail.appointments] == ["apt_456"]


async def test_changed_values_are_updated(database: Database, passwords: Passwords, example: Path) -> None:
    seeder = Seeder(database, passwords)
    await seeder.seed(example)
    edit(
        example,
        ("change-me-please", "a-new-password"),
        ("name: Cleaning, minutes: 60", "name: Cleaning, minutes: 45"),
        ("language: en\n          cap", "language: de\n          cap"),
        ('fri: "09:00-16:00"', 'fri: "09:00-15:00"'),
    )
    tally = await seeder.seed(example)
    assert tally.created == {}
    assert tally.updated == {"users": 1, "services": 1, "agents": 1, "opening_hours": 1}
    accounts = accounts_of(database, passwords)
    await accounts.login("admin@bright.example", "a-new-password", "vocaliq")


async def test_what_another_organization_does_not_say_of_a_user_stays(database: Database, passwords: Passwords) -> None:
    said = SeedUser(email="both@x.example", password="both-password", name="Bo", avatar_url="https://x.example/a.png")
    silent = SeedUser(email="both@x.example", password="both-password")
    wanted = tuple(
        SeedOrganization(id=name, name=name, users=(user,)) for name, user in (("one", said), ("two", silent))
    )
    await Seeder(database, passwords).apply(SeedFile(organizations=wanted), source="test")
    grant = await accounts_of(database, passwords).login("both@x.example", "both-password", "crm")
    assert (grant.user.name, grant.user.avatar_url) == (said.name, said.avatar_url)


@pytest.mark.parametrize(
    ("before", "after", "key", "reason"),
    [
        ("timezone: America", "timezone: Mars", "organizations[0].timezone", "no IANA time zone"),
        ("    contact_email", "    contactmail", "contactmail", "no such setting"),
        ("minutes: 60, price", "minutes: 0, price", "services[1].minutes", ">= 1"),
        ("language: en\n          cap", "lang: en\n          cap", "agents[0].config.lang", "unknown key"),
        ("agent: agent_123, label", "agent: nobody, label", "phone_numbers[0].agent", '"nobody"'),
        ("customer: cust_789, resource", "customer: x, resource", "appointments[0].customer", '"x"'),
        ('wed: "09:00-18:00"', 'wed: "9-18"', "organizations[0].opening_hours", "wed"),
        ("2026-01-20T15:00:00Z", "2026-01-20 15:00:00", "calls[0].started_at", "timezone"),
        ("id: org_bright", "id: org bright", "organizations[0].id", "matching regex"),
        ("password: change-me-too", "password: short", "users[1].password", "length >= 8"),
    ],
)
async def test_mistakes_are_named_and_leave_nothing(
    database: Database, passwords: Passwords, example: Path, before: str, after: str, key: str, reason: str
) -> None:
    untouched = await contents(database)
    edit(example, (before, after))
    with pytest.raises(ConfigError) as caught:
        await Seeder(database, passwords).seed(example)
    assert caught.value.source == str(example)
    assert key in caught.value.key
    assert reason in caught.value.reason
    assert "change-me" not in str(caught.value)
    assert await contents(database) == untouched


async def test_clashing_appointments_are_refused(database: Database, passwords: Passwords, example: Path) -> None:
    edit(example, ("    appointments:\n", f"    appointments:{CLASH}"))
    with pytest.raises(ConfigError, match="taken at that time"):
        await Seeder(database, passwords).seed(example)


async def test_the_demo_organization_is_made_once(database: Database, passwords: Passwords, tmp_path: Path) -> None:
    seeder, credentials = Seeder(database, passwords), tmp_path / "data" / "login"
    tally = await demo_seed(database, seeder, credentials)
    assert tally is not None
    assert tally.created.get("agents", 0) == len(shipped_agents())
    assert mode(credentials) == 0o600
    login = read_credentials(credentials)
    assert login is not None
    grant = await accounts_of(database, passwords).login(*login, "vocaliq")
    assert grant.membership.roles == ("admin", "user")
    assert await demo_seed(database, seeder, credentials) is None
    async with database.read() as connection:
        assert await tenants.organization_named(connection, "org_demo") is not None
    assert not await Operator(database).only_demo()  # the fixture's are there, too


async def test_a_new_database_has_only_the_demo(passwords: Passwords, tmp_path: Path) -> None:
    database = await Database.open_file(tmp_path / "new.db")
    try:
        await demo_seed(database, Seeder(database, passwords), tmp_path / "login")
        assert await Operator(database).only_demo()
    finally:
        await database.close()
