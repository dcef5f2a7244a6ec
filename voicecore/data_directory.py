"""The folder of a server: locked by one, named, with a secret, an up-to-date schema and no call left open."""

from __future__ import annotations

import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from config.schema import ServerSettings
from pipelines.errors import ConfigError
from voicecore.domain.ids import new_external_id
from voicecore.services.call_log import recover
from voicecore.services.demo import demo_seed
from voicecore.services.operator import database_url
from voicecore.services.passwords import QUICK, Passwords
from voicecore.services.seeding import Seeder
from voicecore.services.tokens import load_secret
from voicecore.storage.database import Database

SECRET_FILE = "secret"
SERVER_ID_FILE = "server-id"
LOCK_FILE = "lock"
CREDENTIALS_FILE = "demo-login"


class DataReady(msgspec.Struct, frozen=True):
    """`node` names this server among those that share its database; its processes' names begin with it.
    `recover` closes the calls of a process that is gone."""

    node: str
    credentials: Path
    recover: Callable[[str], Awaitable[int]]


@contextlib.asynccontextmanager
async def data_ready(settings: ServerSettings) -> AsyncIterator[DataReady]:
    """The data directory is ours, the schema is new, and no call of a crashed server is left open."""
    data = Path(settings.data)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_locked(data))
        load_secret(data / SECRET_FILE)
        database = await Database.open(database_url(settings))
        stack.push_async_callback(database.close)
        passwords = Passwords(QUICK)  # for the demo's, which is random
        stack.callback(passwords.close)

        node = _server_id(data / SERVER_ID_FILE)
        await recover(database, node)
        await demo_seed(database, Seeder(database, passwords), data / CREDENTIALS_FILE)
        yield DataReady(node, data / CREDENTIALS_FILE, partial(recover, database))


def _server_id(file: Path) -> str:
    """A name that this data directory keeps."""
    if not file.exists():
        file.write_text(f"{new_external_id('server')}\n")
    return file.read_text().strip()


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Two servers on one data directory would end each other's calls at recovery."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another server uses {data}", source="settings", key="data") from error
        file.write(f"{socket.gethostname()}\n")
        yield
