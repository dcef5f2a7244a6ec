"""The way back in for a user who lost his password or his telephone, opened by the person at the machine.

What is done stands in the audit trail of each organization that the user belongs to.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.accounts import Device
from voicecore.domain.audit import Deed, Risk
from voicecore.domain.emails import fold_email
from voicecore.domain.user_overview import UserOverview
from voicecore.services.audit import entry
from voicecore.services.passwords import Passwords, check_password
from voicecore.storage import audit, users
from voicecore.storage.database import Database

OPERATOR = ("operator", Device())  # whose deed it is
PASSWORD_SET = Deed("user.password_set", "user", Risk.HIGH)
SECOND_FACTOR_RESET = Deed("user.second_factor_reset", "user", Risk.HIGH)


class UserDesk:
    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def everyone(self) -> list[UserOverview]:
        """By e-mail address."""
        async with self._database.read() as connection:
            return await users.everyone(connection)

    async def reset_second_factor(self, email: str) -> bool:
        """From now on the password is enough, until the user enables another one. False: it was enough before. Raises
        NotFound."""
        async with self._database.write() as connection:
            user = await _found(connection, email)
            await users.forget_second_factors(connection, user.uid)
            if user.second_factor:
                await _record(connection, user, SECOND_FACTOR_RESET, {})
            return user.second_factor

    async def set_password(self, email: str, password: str) -> int:
        """All sessions end, on every surface; how many it were. Raises NotFound, ValidationError."""
        check_password(password)
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as connection:
            user = await _found(connection, email)
            await users.set_password(connection, user.uid, password_hash)
            ended = await users.end_sessions(connection, user.uid, instants.now())
            await _record(connection, user, PASSWORD_SET, {"sessions_ended": ended})
            return ended


async def _found(connection: AsyncConnection, email: str) -> UserOverview:
    found = await users.everyone(connection, fold_email(email))
    if not found:
        raise NotFound(f'no user "{email}"')
    return found[0]


async def _record(connection: AsyncConnection, user: UserOverview, deed: Deed, changes: dict[str, Any]) -> None:
    for one in user.belongs_to:
        made = entry(one.organization_uid, None, *OPERATOR, deed, model_id=str(user.seq), changes=changes)
        await audit.add(connection, made)
