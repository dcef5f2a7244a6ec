"""Keys of providers, encrypted at rest (Fernet: AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec).

Engines read them when they are made (`store:NAME` in a pipeline's options); nobody else gets a value out again.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.ext.asyncio import AsyncConnection

from config.schema import ServerSettings
from pipelines.errors import ConfigError, NotFound
from voicecore.domain import instants
from voicecore.domain.ids import new_uid
from voicecore.domain.secrets import StoredSecret
from voicecore.services.tokens import load_secret
from voicecore.storage import inbound, integrations, outbox, second_factors, secrets, telephony, tenants
from voicecore.storage.database import Database

SECRET_FILE = "secret"  # in the data directory
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")


class SealedRows(Protocol):
    """A module of rows that hold something sealed."""

    async def sealed(self, connection: AsyncConnection) -> list[tuple[str, str]]: ...

    async def reseal(self, connection: AsyncConnection, uid: str, sealed: str, /) -> None: ...


SEALED: tuple[tuple[str, SealedRows], ...] = (
    ("webhook", outbox),
    ("telephony provider", telephony),
    ("integration", integrations),
    ("second factor", second_factors),
    ("inbound webhook", inbound),
)


def master_keys(settings: ServerSettings) -> list[bytes]:
    """The configured ones, newest first, and one that follows from the secret in the data directory: it encrypts where
    none is configured, and still opens what it encrypted before."""
    configured = [key.strip().encode() for key in settings.secrets_key.split(",") if key.strip()]
    return [*configured, load_secret(Path(settings.data) / SECRET_FILE)]


class SecretStore:
    """Implements `pipelines.secrets.Store`."""

    def __init__(self, database: Database, keys: Sequence[bytes]) -> None:
        self._database = database
        self._fernet = MultiFernet([_fernet(key) for key in keys])

    async def read(self, owner: str, name: str) -> str | None:
        """Raises ConfigError when it was encrypted with a key that is not known any more."""
        async with self._database.read() as connection:
            found = await secrets.find(connection, owner, name)
        return None if found is None else self._decrypted(found)

    async def set(self, name: str, value: str, organization: str = "") -> None:
        """For an organization (its external id), or for everybody. Raises ConfigError, NotFound."""
        if not NAME.fullmatch(name):
            raise ConfigError("a name has letters, digits and _ . -, at most 100 of them", source="secrets", key=name)
        if not value.strip():
            raise ConfigError("the value is empty", source="secrets", key=name)
        ciphertext = self.seal(value.strip())
        async with self._database.write() as connection:
            owner = await _owner(connection, organization)
            await secrets.put(connection, StoredSecret(new_uid(), owner, name, ciphertext, instants.now()))

    async def everyone(self) -> list[StoredSecret]:
        async with self._database.read() as connection:
            return await secrets.everyone(connection)

    async def remove(self, name: str, organization: str = "") -> None:
        """Raises NotFound."""
        async with self._database.write() as connection:
            if not await secrets.remove(connection, await _owner(connection, organization), name):
                raise NotFound(f'no secret "{name}"')

    def seal(self, text: str) -> str:
        """Encrypted, to be stored elsewhere; `rotate` knows the places."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str, what: str) -> str:
        """Raises ConfigError, which says of what it is."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ConfigError(
                "it was encrypted with another key: give that one, too, in secrets_key", source="secrets", key=what
            ) from None

    async def rotate(self) -> int:
        """Encrypt all of them with the newest key; how many there are. Raises ConfigError, and then changed nothing."""
        async with self._database.write() as connection:
            stored = await secrets.everyone(connection)
            for one in stored:
                await secrets.replace_ciphertext(connection, one.uid, self.seal(self._decrypted(one)))
            count = len(stored)
            for what, rows in SEALED:
                for uid, sealed in await rows.sealed(connection):
                    await rows.reseal(connection, uid, self.seal(self.unseal(sealed, what)))
                    count += 1
        return count

    def _decrypted(self, secret: StoredSecret) -> str:
        return self.unseal(secret.ciphertext, secret.name)


async def _owner(connection: AsyncConnection, organization: str) -> str | None:
    """Raises NotFound."""
    if not organization:
        return None
    found = await tenants.organization_named(connection, organization)
    if found is None:
        raise NotFound(f'no organization "{organization}"')
    return found.uid


def _fernet(key: bytes) -> Fernet:
    """Keys may be any text; Fernet wants 32 bytes (another use of the same secret is another key)."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"voicecore stored secrets\0" + key).digest()))
