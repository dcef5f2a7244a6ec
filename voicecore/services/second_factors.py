"""Two-factor authentication: enrolling an authenticator (RFC 6238), proving it, and the codes for when it is lost.

Enrolling alone demands nothing of anybody: only what was verified is asked for at login. Secrets are stored encrypted,
recovery codes hashed.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime

import msgspec
import pyotp

from pipelines.errors import AuthenticationError, ConflictError, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import User
from voicecore.domain.ids import new_uid
from voicecore.domain.second_factors import RecoveryCode, SecondFactor
from voicecore.services.passwords import Passwords
from voicecore.services.secret_store import SecretStore
from voicecore.storage import second_factors as rows
from voicecore.storage.database import Database

ISSUER = "voicecore"
STEP_S = 30  # RFC 6238 §4.1
DRIFT = 1  # steps that a clock may be wrong by, either way (§5.2)
CODES, CODE_LENGTH = 8, 10
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 10 of these are 50 bits
WRONG = "must be a code of the authenticator that was not used before"


class SecondFactorRequired(AuthenticationError):
    """The password was right; a code is needed, too."""

    code = "second_factor_required"


class Enrolment(msgspec.Struct, frozen=True):
    """Told this once. `uri` is what an authenticator reads (otpauth://)."""

    secret: str
    uri: str
    recovery_codes: list[str]


class SecondFactors:
    """`clock` says which codes are right."""

    def __init__(
        self,
        database: Database,
        store: SecretStore,
        passwords: Passwords,
        clock: Callable[[], datetime] = instants.now,
    ) -> None:
        self._database = database
        self._store = store
        self._passwords = passwords
        self._clock = clock

    async def enabled(self, user_uid: str) -> bool:
        async with self._database.read() as connection:
            return await rows.verified(connection, user_uid) is not None

    async def enable(self, user: User, proof: str) -> Enrolment:
        """A new authenticator, which waits to be verified. Who has one already proves it by a code: a stolen token is
        not enough to exchange it. Raises ValidationError."""
        if await self.enabled(user.uid):
            if not proof:
                raise ValidationError("a code is needed", (("code", "required"),))
            await self._accept_or_refuse(user.uid, proof)
        secret, now = pyotp.random_base32(), self._clock()
        codes = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
        factor = SecondFactor(uid=new_uid(), user_uid=user.uid, sealed_secret=self._store.seal(secret), created_at=now)
        kept = [
            RecoveryCode(
                uid=new_uid(), factor_uid=factor.uid, code_hash=await self._passwords.hash(code), created_at=now
            )
            for code in codes
        ]
        async with self._database.append() as connection:
            await rows.replace_waiting(connection, factor, kept)
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
        return Enrolment(secret, uri, codes)

    async def verify(self, user_uid: str, code: str) -> None:
        """From now on logins need a code. Raises ValidationError, ConflictError when nothing waits for it."""
        async with self._database.read() as connection:
            factor = await rows.waiting(connection, user_uid)
        if factor is None:
            raise ConflictError("two-factor authentication was not enabled")
        step = self._step(factor, code)
        if step is None:
            raise ValidationError("wrong code", (("code", WRONG),))
        async with self._database.append() as connection:
            if not await rows.take_step(connection, factor.uid, step):
                raise ValidationError("wrong code", (("code", WRONG),))
            await rows.verify(connection, factor, self._clock())

    async def prove(self, user_uid: str, code: str) -> None:
        """Let in who needs no code, or has one that is right and was never used. Raises SecondFactorRequired,
        AuthenticationError."""
        if not await self.enabled(user_uid):
            return
        if not code:
            raise SecondFactorRequired("two-factor code required")
        if not await self._accepted(user_uid, code):
            raise AuthenticationError("invalid two-factor code")

    async def _accept_or_refuse(self, user_uid: str, code: str) -> None:
        if not await self._accepted(user_uid, code):
            raise ValidationError("wrong code", (("code", WRONG),))

    async def _accepted(self, user_uid: str, code: str) -> bool:
        """Is it right? It never is again."""
        async with self._database.read() as connection:
            factor = await rows.verified(connection, user_uid)
            unused = await rows.unused_codes(connection, factor.uid) if factor else []
        if factor is None:
            return False
        if (step := self._step(factor, code)) is not None:
            async with self._database.append() as connection:
                return await rows.take_step(connection, factor.uid, step)
        plain = code.strip().casefold()
        if len(plain) != CODE_LENGTH:
            return False
        for one in unused:
            if await self._passwords.verify(one.code_hash, plain):
                async with self._database.append() as connection:
                    return await rows.use_code(connection, one.uid, self._clock())
        return False

    def _step(self, factor: SecondFactor, code: str) -> int | None:
        """The step whose code this is, if it may be used now."""
        given = code.replace(" ", "")
        authenticator = pyotp.TOTP(self._store.unseal(factor.sealed_secret, "second factor"))
        now = int(self._clock().timestamp()) // STEP_S
        for step in range(now - DRIFT, now + DRIFT + 1):
            right = hmac.compare_digest(authenticator.generate_otp(step).encode(), given.encode("utf-8", "replace"))
            if right and step > factor.last_step:
                return step
        return None
