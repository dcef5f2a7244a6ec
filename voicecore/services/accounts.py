"""Who may come in: registration, login, refresh, logout, and the proof that comes with every request."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.exc import IntegrityError

from pipelines.errors import AuthenticationError, ConflictError, PermissionDenied
from voicecore.domain import instants
from voicecore.domain.accounts import (
    Device,
    Membership,
    Organization,
    Principal,
    Role,
    Session,
    TokenKind,
    User,
)
from voicecore.domain.audit import Deed, Risk
from voicecore.domain.emails import checked_email, fold_email
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.services.audit import entry
from voicecore.services.login_guard import LoginGuard
from voicecore.services.passwords import Passwords, check_password
from voicecore.services.second_factors import SecondFactorRequired, SecondFactors
from voicecore.services.sessions import renewed
from voicecore.services.tokens import Claims, Tokens
from voicecore.storage import audit, tenants
from voicecore.storage.database import Database
from voicecore.storage.memory import FACT_S

REFUSED = "invalid credentials"
PROOF = frozenset({"sessions", "users", "memberships", "organizations"})  # the tables that say who somebody is
TAKEN = "e-mail address already registered"
NOWHERE = Device()
FORGOTTEN_AFTER = timedelta(days=1)  # sessions that have ended
SEEN_EVERY = timedelta(minutes=1)  # how exactly a session's last request is known
LOGIN = Deed("session.login", "session", Risk.LOW)
LOGIN_FAILED = Deed("session.login_failed", "session", Risk.MEDIUM)
REGISTERED = Deed("user.registered", "user", Risk.LOW)


class Company(msgspec.Struct, frozen=True):
    """What a new user registers for."""

    name: str
    phone: str = ""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a login or a refresh hands out."""

    user: User
    membership: Membership
    access_token: str
    refresh_token: str
    expires_in_s: int


class Accounts:
    """Surfaces without refresh tokens name `lifetime_s`: how long their one token lives, and its session with it.
    `guard` None: passwords may be guessed."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        tokens: Tokens,
        second_factors: SecondFactors,
        guard: LoginGuard | None = None,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._second_factors = second_factors
        self._guard = guard or LoginGuard(None)

    async def register(
        self,
        email: str,
        password: str,
        name: str,
        surface: str,
        lifetime_s: int | None = None,
        *,
        company: Company | None = None,
        device: Device = NOWHERE,
    ) -> Grant:
        """A new user, administrator of an organization of his own, and a login. An address that was invited somewhere,
        and never came, is as good as new. Raises ValidationError, ConflictError."""
        email = checked_email(email)
        check_password(password)
        password_hash = await self._passwords.hash(password)
        now = instants.now()
        user = User(uid=new_uid(), email=email, name=name, password_hash=password_hash, created_at=now)
        organization = Organization(
            uid=new_uid(),
            external_id=new_external_id("org"),
            name=company.name if company else name or email,
            contact_email=email,
            phone=company.phone if company else "",
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
                user = await tenants.add_account(connection, user, organization, membership)
                if company is not None:
                    await tenants.add_main_business(connection, organization)
        except IntegrityError as error:
            raise ConflictError(TAKEN) from error
        return await self.opened(user, membership, surface, lifetime_s, device, REGISTERED)

    async def login(
        self,
        email: str,
        password: str,
        surface: str,
        lifetime_s: int | None = None,
        *,
        code: str = "",
        device: Device = NOWHERE,
    ) -> Grant:
        """`code`: the second factor of who has one. Raises AuthenticationError, the same whether user, password or
        membership is missing, SecondFactorRequired, and RateLimited after many wrong ones."""
        email = fold_email(email)
        async with self._database.read() as connection:
            user = await tenants.user_by_email(connection, email)
            memberships = await tenants.memberships_of(connection, user.uid) if user else []
            known = user is not None and await tenants.came_from(connection, user.uid, device.ip)
        await self._guard.admit(email, device.ip, known=known)
        right = await self._passwords.verify(user.password_hash if user else None, password)
        try:
            if user is None or not right or not user.active or not memberships:
                raise AuthenticationError(REFUSED)
            await self._second_factors.prove(user.uid, code)
        except SecondFactorRequired:
            raise  # only half of a login
        except AuthenticationError:
            await self._guard.failed(email, device.ip, known=known)
            await self._failed(user, memberships, surface, device)
            raise
        return await self.opened(user, memberships[0], surface, lifetime_s, device)

    async def _failed(self, user: User | None, memberships: list[Membership], surface: str, device: Device) -> None:
        """On record where the organization can see it. It takes as long for nobody as for somebody."""
        async with self._database.append() as connection:
            await tenants.forget_sessions(connection, instants.now() - FORGOTTEN_AFTER)
            for membership in memberships[:1]:
                uid = user.uid if user else None
                made = entry(membership.organization_uid, uid, surface, device, LOGIN_FAILED)
                await audit.add(connection, made)

    async def opened(
        self,
        user: User,
        membership: Membership,
        surface: str,
        lifetime_s: int | None,
        device: Device,
        deed: Deed | None = LOGIN,
        *,
        instead_of: Session | None = None,
    ) -> Grant:
        """A session for somebody who has proven himself, in place of another one if need be. Raises
        AuthenticationError when that one has ended meanwhile."""
        now = instants.now()
        session = Session(
            uid=new_uid(),
            user_uid=user.uid,
            organization_uid=membership.organization_uid,
            surface=surface,
            ip=device.ip,
            user_agent=device.user_agent,
            seen_at=now,
            created_at=now,
            expires_at=now + timedelta(seconds=lifetime_s or self._tokens.refresh_s),
        )
        async with self._database.write() as connection:
            if instead_of is not None and not await tenants.revoke_session(connection, instead_of.uid, now):
                raise AuthenticationError("invalid or expired token")
            await tenants.forget_sessions(connection, now - FORGOTTEN_AFTER)
            await tenants.add_session(connection, session)
            if deed is not None:
                made = entry(membership.organization_uid, user.uid, surface, device, deed)
                await audit.add(connection, made)
        return self._grant(user, membership, session, lifetime_s, now)

    async def refresh(self, token: str, surface: str, device: Device = NOWHERE) -> Grant:
        """A new pair for a refresh token of a living session. Raises AuthenticationError; an old one ends it."""
        claims = self._tokens.read(token, TokenKind.REFRESH, surface)
        session, user, membership = await self._proven(claims)
        session = await renewed(self._database, session, claims.gen, device)
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

    async def exchange(self, token: str, surface: str, lifetime_s: int, device: Device) -> Grant:
        """A new session for one that still lives, and that ends with this. Raises AuthenticationError."""
        claims = self._tokens.read(token, TokenKind.ACCESS, surface)
        session, user, membership = await self._proven(claims)
        return await self.opened(user, membership, surface, lifetime_s, device, None, instead_of=session)

    async def authenticate(self, token: str, surface: str) -> Principal:
        """Whom an access token speaks for. Raises AuthenticationError."""
        memory, asked = self._database.memory, (token, surface)
        if isinstance(known := memory.fact(asked), Principal):
            return known
        as_of = memory.moment
        claims = self._tokens.read(token, TokenKind.ACCESS, surface)
        session, user, membership = await self._proven(claims)
        now = instants.now()
        if session.seen_at is None or now - session.seen_at >= SEEN_EVERY:
            async with self._database.append() as connection:
                await tenants.see_session(connection, session.uid, now)
        principal = Principal(
            user_uid=user.uid,
            organization_uid=session.organization_uid,
            organization_id=membership.organization_id,
            session_uid=session.uid,
            surface=surface,
            roles=membership.roles,
            permissions=membership.permissions,
            platform_admin=user.platform_admin,
        )
        if min(claims.exp, session.expires_at.timestamp()) - now.timestamp() > FACT_S:
            memory.learn(asked, principal, PROOF, as_of)
        return principal

    async def within(self, principal: Principal, number: int) -> Principal:
        """The same person in that one of his organizations, by its `seq`. Raises PermissionDenied."""
        async with self._database.read() as connection:
            memberships = await tenants.memberships_of(connection, principal.user_uid)
        for mine in memberships:
            if mine.organization_seq == number:
                return principal.moved_to(mine)
        raise PermissionDenied("not a member of that organization")

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

    async def organization(self, of: Principal | Membership) -> Organization:
        async with self._database.read() as connection:
            found = await tenants.organization(connection, of.organization_uid)
        if found is None:
            raise AuthenticationError("invalid or expired token")
        return found

    async def _proven(self, claims: Claims) -> tuple[Session, User, Membership]:
        async with self._database.read() as connection:
            found = await tenants.proof(connection, claims.sid)
        if found is None:
            raise AuthenticationError("invalid or expired token")
        session, user, membership = found
        if not user.active or not session.alive(instants.now()):
            raise AuthenticationError("invalid or expired token")
        if (user.uid, membership.organization_uid) != (claims.sub, claims.org):
            raise AuthenticationError("invalid or expired token")
        return session, user, membership

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
