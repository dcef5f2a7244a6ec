"""Argon2id, off the event loop, a few at a time: each hash takes tens of milliseconds and much memory."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipelines.errors import ValidationError

# RFC 9106 §4, second recommended option, with one lane: 64 MiB, 3 passes.
STRONG = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)
# For passwords that we make ourselves of at least 112 random bits: nobody finds one by trying, however quickly
# (NIST SP 800-63B §5.1.2.2), and a first start does not wait for it.
QUICK = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
SHORTEST = 8  # characters, NIST SP 800-63B §5.1.1.1
LONGEST = 1024  # characters; more is an attack on the hash


def check_password(password: str) -> None:
    """Raises ValidationError."""
    if not SHORTEST <= len(password) <= LONGEST:
        reason = f"must have {SHORTEST} to {LONGEST} characters"
        raise ValidationError(f"password {reason}", (("password", reason),))


class Passwords:
    """`hasher`: another one than for passwords that people choose."""

    def __init__(self, hasher: PasswordHasher = STRONG, workers: int = 2) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Takes as long for a user who does not exist (`stored` None) as for one who does."""
        if len(password) > LONGEST:
            return False
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")
        right = await asyncio.get_running_loop().run_in_executor(
            self._pool, self._matches, stored or self._nobody, password
        )
        return right and bool(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        self._pool.shutdown(wait=True)
