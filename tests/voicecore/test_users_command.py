"""`voicecore users`: who lost a password or an authenticator comes in again, on every kind of database."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from database_copies import Copies, cheap_passwords

from pipelines.errors import AuthenticationError
from voicecore.cli import USAGE_ERROR, main
from voicecore.domain.accounts import User
from voicecore.services.accounts import Accounts, Grant
from voicecore.services.second_factors import SecondFactorRequired, SecondFactors
from voicecore.services.secret_store import SecretStore
from voicecore.services.tokens import Tokens
from voicecore.storage.database import Database

SEED = Path(__file__).parent / "api" / "seed.yaml"
ADA, OLD, NEW = "ada@one.example", "ada-password", "another one, with ünicode"


class Office:
    """A server's accounts, and the shell on the same machine."""

    def __init__(self, url: str, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.database = database
        self.passwords = cheap_passwords()
        store = SecretStore(database, [b"a key of the tests"])
        self.second_factors = SecondFactors(database, store, self.passwords)
        self.accounts = Accounts(database, self.passwords, Tokens(b"x" * 32), self.second_factors)
        capsys.readouterr()  # what was said while the database was made
        self._url, self._monkeypatch, self._capsys = url, monkeypatch, capsys

    async def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self._monkeypatch.setenv("VOICECORE_DATABASE_URL", self._url)
        status = await asyncio.to_thread(main, ["users", *arguments])
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    async def login(self, password: str = OLD, code: str = "") -> Grant:
        return await self.accounts.login(ADA, password, "vocaliq", code=code)

    async def ada(self) -> User:
        return (await self.login()).user

    async def trail(self, action: str) -> list[dict[str, Any]]:
        statement = sa.text("SELECT * FROM audit_entries WHERE action = :action").bindparams(action=action)
        async with self.database.read() as connection:
            return [dict(row._mapping) for row in (await connection.execute(statement)).all()]


@pytest.fixture
async def office(
    tmp_path: Path,
    copies: Copies,
    database_kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Office]:
    async with copies.copy(database_kind, tmp_path, SEED) as url:
        database = await Database.open(url)
        made = Office(url, database, monkeypatch, capsys)
        yield made
        made.passwords.close()
        await database.close()


async def refused(attempt: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises(AuthenticationError):
        await attempt()


async def test_a_new_password_ends_all_sessions(office: Office) -> None:
    here, there = await office.login(), await office.login()
    for grant in (here, there):
        await office.accounts.authenticate(grant.access_token, "vocaliq")
    status, out, error = await office.run("set-password", " ADA@one.example", stdin=f"{NEW}\n")
    assert (status, out, error) == (0, "the password is set; sessions that were ended: 2\n", "")
    for grant in (here, there):
        await refused(lambda grant=grant: office.accounts.authenticate(grant.access_token, "vocaliq"))
        await refused(lambda grant=grant: office.accounts.refresh(grant.refresh_token, "vocaliq"))
    await refused(office.login)
    grant = await office.login(NEW)
    (entry,) = await office.trail("user.password_set")
    assert (entry["organization_uid"], entry["model_id"]) == (
        grant.membership.organization_uid,
        str(grant.user.seq),
    )
    assert (entry["risk_level"], entry["surface"], entry["user_uid"]) == ("high", "operator", None)
    assert NEW not in str(entry)


async def test_who_lost_his_authenticator_comes_in_by_password(office: Office) -> None:
    user = await office.ada()
    assert (await office.run("reset-second-factor", ADA))[1].startswith("there was no second factor")
    assert await office.trail("user.second_factor_reset") == []
    enrolment = await office.second_factors.enable(user, "")
    await office.second_factors.verify(user.uid, pyotp.TOTP(enrolment.secret).now())
    with pytest.raises(SecondFactorRequired):
        await office.login()
    listed = (await office.run("list"))[1]
    assert "[second factor]" in next(line for line in listed.splitlines() if line.startswith(ADA))
    status, out, error = await office.run("reset-second-factor", ADA)
    assert (status, out.partition(";")[0], error) == (0, "the second factor is reset", "")
    await office.login()
    assert len(await office.trail("user.second_factor_reset")) == 1
    async with office.database.read() as connection:
        for table in ("second_factors", "recovery_codes"):
            assert (await connection.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0
    await office.second_factors.enable(user, "")  # and needs no code of the lost one for a new one


async def test_everybody_is_listed_with_where_he_belongs(office: Office) -> None:
    status, out, error = await office.run("list")
    lines = out.splitlines()
    assert (status, error) == (0, "")
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    ada = next(line for line in lines if line.startswith(ADA))
    assert "org_one (admin, user, active)" in ada
    assert "[" not in ada


@pytest.mark.parametrize(
    ("arguments", "stdin", "reason"),
    [
        (("set-password",), NEW, "EMAIL goes with"),
        (("list", ADA), "", "EMAIL goes with"),
        (("set-password", ADA), "short", "8 to 1024"),
        (("set-password", ADA), "", "8 to 1024"),
        (("set-password", "nobody@one.example"), NEW, 'no user "nobody@one.example"'),
        (("reset-second-factor", "nobody@one.example"), "", 'no user "nobody@one.example"'),
    ],
)
async def test_wrong_use_is_told_in_a_line_and_changes_nothing(
    office: Office, arguments: tuple[str, ...], stdin: str, reason: str
) -> None:
    grant = await office.login()
    status, out, error = await office.run(*arguments, stdin=stdin)
    assert (status, out, error.count("\n")) == (USAGE_ERROR, "", 1)
    assert reason in error
    await office.accounts.authenticate(grant.access_token, "vocaliq")
    await office.login()


async def test_a_password_on_the_command_line_is_refused(office: Office) -> None:
    with pytest.raises(SystemExit) as done:
        await office.run("set-password", ADA, NEW)
    assert done.value.code == USAGE_ERROR
    await office.login()
