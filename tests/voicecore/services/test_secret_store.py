"""Keys of providers: encrypted in the database, an organization's before everybody's, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from config.schema import ServerSettings
from pipelines.errors import ConfigError, NotFound
from voicecore.services.secret_store import SecretStore, master_keys
from voicecore.storage.database import Database

KEY = "key-that-must-not-show-4711"
ORGANIZATIONS = "INSERT INTO organizations (uid, external_id, name, contact_email, phone, address, settings, timezone, \
created_at) VALUES ('u1', 'org_one', '', '', '', '{}', '{}', '', '2030-01-01'), \
('u2', 'org_two', '', '', '', '{}', '{}', '', '2030-01-01')"


@pytest_asyncio.fixture
async def database(tmp_path: Path):  # type: ignore[no-untyped-def]
    opened = await Database.open_file(tmp_path / "voicecore.db")
    async with opened.write() as connection:
        await connection.exec_driver_sql(ORGANIZATIONS)
    yield opened
    await opened.close()


def written(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


def store(database: Database, *keys: bytes) -> SecretStore:
    return SecretStore(database, keys or (b"first",))


async def test_it_comes_back_and_is_not_in_the_file(database: Database, tmp_path: Path) -> None:
    await store(database).set("voice", f"{KEY}\n")
    assert await store(database).read("", "voice") == KEY
    assert await store(database).read("u1", "voice") == KEY
    assert KEY.encode() not in written(tmp_path)
    (listed,) = await store(database).everyone()
    assert KEY not in repr(listed)


async def test_an_organizations_own_goes_first_and_is_nobody_elses(database: Database) -> None:
    await store(database).set("voice", "theirs", "org_one")
    assert await store(database).read("u2", "voice") is None
    assert await store(database).read("", "voice") is None
    await store(database).set("voice", "everybody's")
    assert await store(database).read("u1", "voice") == "theirs"
    assert await store(database).read("u2", "voice") == "everybody's"


async def test_setting_it_again_replaces_it(database: Database) -> None:
    for value in ("old", "new"):
        await store(database).set("voice", value)
        await store(database).set("voice", value, "org_one")
    assert len(await store(database).everyone()) == 2
    assert await store(database).read("", "voice") == "new"


async def test_what_is_removed_is_gone(database: Database) -> None:
    await store(database).set("voice", KEY, "org_one")
    with pytest.raises(NotFound):
        await store(database).remove("voice")
    await store(database).remove("voice", "org_one")
    assert await store(database).read("u1", "voice") is None


@pytest.mark.parametrize(
    ("name", "value"), [("", KEY), ("a b", KEY), ("../x", KEY), ("voice", " \n"), ("x" * 101, KEY)]
)
async def test_bad_names_and_empty_values_are_refused(database: Database, name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await store(database).set(name, value)
    assert KEY not in caught.value.message


async def test_an_unknown_organization_is_refused(database: Database) -> None:
    with pytest.raises(NotFound, match="org_nobody"):
        await store(database).set("voice", KEY, "org_nobody")


async def test_the_key_can_be_changed(database: Database) -> None:
    await store(database, b"old").set("voice", KEY)
    with pytest.raises(ConfigError, match="another key"):
        await store(database, b"new").read("", "voice")
    assert await store(database, b"new", b"old").rotate() == 1
    assert await store(database, b"new").read("", "voice") == KEY
    with pytest.raises(ConfigError):
        await store(database, b"old").rotate()


def test_the_data_directorys_own_key_opens_what_it_encrypted_before_another_was_set(tmp_path: Path) -> None:
    (own,) = master_keys(ServerSettings(data=str(tmp_path)))
    assert master_keys(ServerSettings(data=str(tmp_path), secrets_key="b , a")) == [b"b", b"a", own]
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert "b , a" not in repr(ServerSettings(secrets_key="b , a"))


async def test_rotating_reaches_the_secrets_of_webhooks(database: Database) -> None:
    sealed = store(database, b"old").seal("whsec ü")
    async with database.write() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO webhook_subscriptions (uid, organization_uid, external_id, surface, url, events,"
            " sealed_secret, active, created_at) VALUES ('w', 'u1', 'wh_1', 'vocaliq', '', '[]', ?, 1, '2030-01-01')",
            (sealed,),
        )
    assert await store(database, b"new", b"old").rotate() == 1
    async with database.read() as connection:
        (again,) = (await connection.exec_driver_sql("SELECT sealed_secret FROM webhook_subscriptions")).scalars()
    assert store(database, b"new").unseal(again, "webhook") == "whsec ü"
    with pytest.raises(ConfigError):
        store(database, b"old").unseal(again, "webhook")
