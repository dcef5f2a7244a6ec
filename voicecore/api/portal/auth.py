"""Registration, login, the exchange of one token for another, and logout."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipelines.errors import AuthenticationError, ConflictError, ValidationError
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.parsing import INVALID
from voicecore.api.portal.people import permission_words, role_word
from voicecore.api.portal.words import BASE, Given
from voicecore.services.accounts import Accounts, Company, Grant
from voicecore.services.passwords import LONGEST, SHORTEST
from voicecore.services.people import People
from voicecore.services.second_factors import SecondFactorRequired

SURFACE = "portal"
TOKEN_S = 86400  # the document names no life time
CODE_REQUIRED = (("two_factor_code", "required"),)


class LoginRequest(msgspec.Struct):
    """`two_factor_code`: of the authenticator, or a recovery code; once it is verified, it is required."""

    email: Given
    password: Given
    two_factor_code: str | None = None


class RegisterRequest(msgspec.Struct, kw_only=True):
    """`invitation_token` (our addition): accept an invitation instead of making a company."""

    name: Given
    email: Given
    password: Annotated[str, Meta(min_length=SHORTEST, max_length=LONGEST)]
    company_name: str | None = None
    phone: str | None = None
    terms_accepted: bool = True
    invitation_token: str | None = None
    two_factor_code: str | None = None


class UserShape(msgspec.Struct, kw_only=True):
    id: int
    name: str
    email: str
    company_id: int
    role: str
    permissions: list[str]
    two_factor_enabled: bool


class CompanyShape(msgspec.Struct):
    id: int
    name: str
    settings: dict[str, Any]


class TokenResponse(msgspec.Struct):
    token: str
    user: UserShape
    company: CompanyShape


class MessageResponse(msgspec.Struct):
    message: str


class AuthHandlers:
    def __init__(self, accounts: Accounts, people: People) -> None:
        self._accounts = accounts
        self._people = people

    async def register(self, exchange: Exchange) -> TokenResponse:
        body: RegisterRequest = exchange.body
        if not body.terms_accepted:
            raise ValidationError(INVALID, (("terms_accepted", "must be accepted"),))
        if body.invitation_token:
            return await self._response(await self._join(exchange, body.invitation_token))
        if not (body.company_name or "").strip():
            raise ValidationError(INVALID, (("company_name", "required"),))
        company = Company(str(body.company_name), body.phone or "")
        try:
            grant = await self._accounts.register(
                body.email,
                body.password,
                body.name,
                SURFACE,
                lifetime_s=TOKEN_S,
                company=company,
                device=exchange.device,
            )
        except ConflictError as error:
            raise ValidationError(INVALID, (("email", "has already been taken"),)) from error
        return await self._response(grant)

    async def _join(self, exchange: Exchange, token: str) -> Grant:
        body: RegisterRequest = exchange.body
        try:
            return await self._people.team.join(
                token,
                body.email,
                body.password,
                body.name,
                SURFACE,
                TOKEN_S,
                code=body.two_factor_code or "",
                device=exchange.device,
            )
        except SecondFactorRequired as error:
            raise ValidationError(INVALID, CODE_REQUIRED) from error
        except AuthenticationError as error:  # he has an account already, and this is not its password
            raise ValidationError(INVALID, (("password", "is wrong"),)) from error

    async def login(self, exchange: Exchange) -> TokenResponse:
        body: LoginRequest = exchange.body
        try:
            grant = await self._accounts.login(
                body.email,
                body.password,
                SURFACE,
                lifetime_s=TOKEN_S,
                code=body.two_factor_code or "",
                device=exchange.device,
            )
        except SecondFactorRequired as error:
            raise ValidationError(INVALID, CODE_REQUIRED) from error
        return await self._response(grant)

    async def refresh(self, exchange: Exchange) -> TokenResponse:
        return await self._response(await self._accounts.exchange(exchange.bearer(), SURFACE, TOKEN_S, exchange.device))

    async def logout(self, exchange: Exchange) -> MessageResponse:
        await self._accounts.logout(exchange.who)
        return MessageResponse("Logged out.")

    async def _response(self, grant: Grant) -> TokenResponse:
        company = await self._accounts.organization(grant.membership)
        user = UserShape(
            id=grant.user.seq,
            name=grant.user.name,
            email=grant.user.email,
            company_id=company.seq,
            role=role_word(grant.membership.roles),
            permissions=permission_words(grant.membership),
            two_factor_enabled=await self._people.second_factors.enabled(grant.user.uid),
        )
        return TokenResponse(grant.access_token, user, CompanyShape(company.seq, company.name, company.settings))

    def routes(self) -> list[Route]:
        base, tag = f"{BASE}/auth", "Authentication"
        return [
            Route(
                method="POST",
                path=f"{base}/register",
                handler=self.register,
                summary="Make an account and its company, or accept an invitation",
                tag=tag,
                body=RegisterRequest,
                response=TokenResponse,
                status=201,
                auth=Auth.NONE,
                permission=None,
                limit="auth",
            ),
            Route(
                method="POST",
                path=f"{base}/login",
                handler=self.login,
                summary="Exchange e-mail and password for a token that lives 24 hours",
                tag=tag,
                body=LoginRequest,
                response=TokenResponse,
                auth=Auth.NONE,
                permission=None,
                limit="auth",
            ),
            Route(
                method="POST",
                path=f"{base}/refresh",
                handler=self.refresh,
                summary="Exchange a living token for another one; the old one ends",
                tag=tag,
                response=TokenResponse,
                auth=Auth.REFRESH,
                permission=None,
                limit="auth",
            ),
            Route(
                method="POST",
                path=f"{base}/logout",
                handler=self.logout,
                summary="End this session: its token is worthless afterwards",
                tag=tag,
                response=MessageResponse,
                permission=None,
                limit="auth",
            ),
        ]
