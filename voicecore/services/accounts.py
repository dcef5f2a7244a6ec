"""Who may come in: login, refresh, logout, and the proof that comes with every request."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from pipelines.errors import AuthenticationError
from voicecore.domain import instants
from voicecore.domain.accounts import Membership, Organization, Principal, Session, TokenKind, User
from voicecore.domain.ids import new_uid
from voicecore.services.passwords import Passwords
from voicecore.services.tokens import Claims, Tokens
from voicecore.storage import tenants
from voicecore.storage.database import Database

REFUSED = "invalid credentials"


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
    def __init__(self, database: Database, passwords: Passwords, tokens: Tokens) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens

    async def login(self, email: str, password: str, surface: str) -> Grant:
        """Raises AuthenticationError, the same whether user, password or membership is missing."""
        async with self._database.read() as connection:
            user = await tenants.user_by_email(connection, fold_email(email))
            memberships = await tenants.memberships_of(connection, user.uid) if user else []
        right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not right or not user.active or not memberships:
            raise AuthenticationError(REFUSED)
        now = instants.now()
        session = Session(
            uid=new_uid(),
            user_uid=user.uid,
            organization_uid=memberships[0].organization_uid,
            surface=surface,
            created_at=now,
            expires_at=now + timedelta(seconds=self._tokens.refresh_s),
        )
        async with self._database.write() as connection:
            await tenants.forget_sessions(connection, now - timedelta(days=1))
            await tenants.add_session(connection, session)
        return self._grant(user, memberships[0], session)

    async def refresh(self, token: str, surface: str) -> Grant:
        """A new pair for a refresh token of a living session. Raises AuthenticationError."""
        claims = self._tokens.read(token, TokenKind.REFRESH, surface)
        session, user, membership = await self._proven(claims)
        return self._grant(user, membership, session)

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

    def _grant(self, user: User, membership: Membership, session: Session) -> Grant:
        return Grant(
            user=user,
            membership=membership,
            access_token=self._tokens.issue(session, TokenKind.ACCESS),
            refresh_token=self._tokens.issue(session, TokenKind.REFRESH),
            expires_in_s=self._tokens.access_s,
        )
