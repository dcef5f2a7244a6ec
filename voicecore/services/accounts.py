"""Who may come in: registration, login, refresh, logout, and the proof that comes with every request."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.exc import IntegrityError

from pipelines.errors import AuthenticationError, ConflictError, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Membership, Organization, Principal, Role, Session, TokenKind, User
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.services.passwords import LONGEST, Passwords
from voicecore.services.tokens import Claims, Tokens
from voicecore.storage import tenants
from voicecore.storage.database import Database

REFUSED = "invalid credentials"
SHORTEST_PASSWORD = 8  # characters, NIST SP 800-63B §5.1.1.1
LONGEST_EMAIL = 254  # characters, RFC 5321 §4.5.3.1.3 without the angle brackets
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a login or a refresh hands out."""

    user: User
    membership: Membership
    access_token: str
    refresh_token: str
    expires_in_s: int


def fold_email(text: str) -> str:
    return text.strip().casefold()


class Accounts:
    """Surfaces without refresh tokens name `lifetime_s`: how long their one token lives, and its session with it."""

    def __init__(self, database: Database, passwords: Passwords, tokens: Tokens) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens

    async def register(
        self, email: str, password: str, name: str, surface: str, lifetime_s: int | None = None
    ) -> Grant:
        """A new user, administrator of an organization of his own, and a login. Raises ValidationError,
        ConflictError."""
        email = fold_email(email)
        if not _EMAIL.fullmatch(email) or len(email) > LONGEST_EMAIL:
            raise ValidationError("invalid e-mail address", (("email", "not an e-mail address"),))
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST:
            reason = f"must have {SHORTEST_PASSWORD} to {LONGEST} characters"
            raise ValidationError(f"password {reason}", (("password", reason),))
        password_hash = await self._passwords.hash(password)
        now = instants.now()
        user = User(uid=new_uid(), email=email, name=name, password_hash=password_hash, created_at=now)
        organization = Organization(
            uid=new_uid(),
            external_id=new_external_id("org"),
            name=name or email,
            contact_email=email,
            created_at=now,
        )
        membership = Membership(
            uid=new_uid(),
            user_uid=user.uid,
            organization_uid=organization.uid,
            organization_id=organization.external_id,
            roles=(Role.ADMIN.value,),
        )
        try:
            async with self._database.write() as connection:
                await tenants.add_account(connection, user, organization, membership)
        except IntegrityError as error:
            raise ConflictError("e-mail address already registered") from error
        return await self._opened(user, membership, surface, lifetime_s)

    async def login(self, email: str, password: str, surface: str, lifetime_s: int | None = None) -> Grant:
        """Raises AuthenticationError, the same whether user, password or membership is missing."""
        async with self._database.read() as connection:
            user = await tenants.user_by_email(connection, fold_email(email))
            memberships = await tenants.memberships_of(connection, user.uid) if user else []
        right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not right or not user.active or not memberships:
            raise AuthenticationError(REFUSED)
        return await self._opened(user, memberships[0], surface, lifetime_s)

    async def _opened(self, user: User, membership: Membership, surface: str, lifetime_s: int | None) -> Grant:
        now = instants.now()
        session = Session(
            uid=new_uid(),
            user_uid=user.uid,
            organization_uid=membership.organization_uid,
            surface=surface,
            created_at=now,
            expires_at=now + timedelta(seconds=lifetime_s or self._tokens.refresh_s),
        )
        async with self._database.write() as connection:
            await tenants.forget_sessions(connection, now - timedelta(days=1))
            await tenants.add_session(connection, session)
        return self._grant(user, membership, session, lifetime_s, now)

    async def refresh(self, token: str, surface: str) -> Grant:
        """A new pair for a refresh token of a living session. Raises AuthenticationError."""
        claims = self._tokens.read(token, TokenKind.REFRESH, surface)
        session, user, membership = await self._proven(claims)
        return self._grant(user, membership, session, None, instants.now())

    async def renew(self, token: str, surface: str, lifetime_s: int) -> Grant:
        """A new access token for one that still lives, whose session lives on. Raises AuthenticationError."""
        claims = self._tokens.read(token, TokenKind.ACCESS, surface)
        session, user, membership = await self._proven(claims)
        now = instants.now()
        session = msgspec.structs.replace(session, expires_at=now + timedelta(seconds=lifetime_s))
        async with self._database.write() as connection:
            await tenants.prolong_session(connection, session.uid, session.expires_at)
        return self._grant(user, membership, session, lifetime_s, now)

    async def authenticate(self, token: str, surface: str) -> Principal:
        """Whom an access token speaks for. Raises AuthenticationError."""
        claims = self._tokens.read(token, TokenKind.ACCESS, surface)
        session, user, membership = await self._proven(claims)
        return Principal(
            user_uid=user.uid,
            organization_uid=session.organization_uid,
            organization_id=membership.organization_id,
            session_uid=session.uid,
            surface=surface,
            roles=membership.roles,
        )

    async def logout(self, principal: Principal) -> None:
        """Both tokens of the session are worthless from now on."""
        async with self._database.write() as connection:
            await tenants.revoke_session(connection, principal.session_uid, instants.now())

    async def user(self, principal: Principal) -> User:
        async with self._database.read() as connection:
            found = await tenants.user(connection, principal.user_uid)
        if found is None:
            raise AuthenticationError("invalid or expired token")
        return found

    async def organization(self, principal: Principal) -> Organization:
        async with self._database.read() as connection:
            found = await tenants.organization(connection, principal.organization_uid)
        if found is None:
            raise AuthenticationError("invalid or expired token")
        return found

    async def _proven(self, claims: Claims) -> tuple[Session, User, Membership]:
        async with self._database.read() as connection:
            session = await tenants.session(connection, claims.sid)
            user = await tenants.user(connection, claims.sub)
            memberships = await tenants.memberships_of(connection, claims.sub)
        mine = [m for m in memberships if m.organization_uid == claims.org]
        if session is None or user is None or not user.active or not mine:
            raise AuthenticationError("invalid or expired token")
        if not session.alive(instants.now()) or session.user_uid != user.uid:
            raise AuthenticationError("invalid or expired token")
        return session, user, mine[0]

    def _grant(
        self, user: User, membership: Membership, session: Session, lifetime_s: int | None, at: datetime
    ) -> Grant:
        return Grant(
            user=user,
            membership=membership,
            access_token=self._tokens.issue(session, TokenKind.ACCESS, lifetime_s=lifetime_s, at=at),
            refresh_token=self._tokens.issue(session, TokenKind.REFRESH, at=at),
            expires_in_s=lifetime_s or self._tokens.access_s,
        )
