"""Two-factor authentication, and where the user is logged in."""

from __future__ import annotations

import msgspec
import segno

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.auth import MessageResponse
from voicecore.api.portal.paging import Paged, PageQuery, Pager
from voicecore.api.portal.words import BASE, Given, path_seq, z
from voicecore.domain.accounts import Session
from voicecore.services import sessions
from voicecore.services.accounts import Accounts
from voicecore.services.people import People

PIXELS = 5  # of a QR code's smallest square


class EnableRequest(msgspec.Struct):
    """`code`: of the authenticator in use, where there is one already (our addition)."""

    code: str | None = None


class EnableResponse(msgspec.Struct):
    """Told this once. `qr_code`: a PNG of the otpauth:// address, as a data URI."""

    secret: str
    qr_code: str
    recovery_codes: list[str]


class VerifyRequest(msgspec.Struct):
    code: Given


class VerifyResponse(msgspec.Struct):
    message: str
    two_factor_enabled: bool


class SessionShape(msgspec.Struct, kw_only=True):
    """`current`: the one that asks."""

    id: int
    ip_address: str
    user_agent: str
    last_activity: str
    current: bool
    created_at: str
    expires_at: str


class SecurityHandlers:
    def __init__(self, accounts: Accounts, people: People, pager: Pager) -> None:
        self._accounts = accounts
        self._people = people
        self._pager = pager

    async def enable(self, exchange: Exchange) -> EnableResponse:
        body: EnableRequest = exchange.body
        user = await self._accounts.user(exchange.who)
        made = await self._people.second_factors.enable(user, body.code or "")
        picture = segno.make(made.uri, error="m").png_data_uri(scale=PIXELS)
        return EnableResponse(made.secret, picture, made.recovery_codes)

    async def verify(self, exchange: Exchange) -> VerifyResponse:
        body: VerifyRequest = exchange.body
        await self._people.second_factors.verify(exchange.who.user_uid, body.code)
        return VerifyResponse("Two-factor authentication is enabled.", True)

    async def listing(self, exchange: Exchange) -> Paged[SessionShape]:
        query: PageQuery = exchange.query
        found = await self._people.sessions.listing(exchange.who, query.core())
        rows = [_shape(session, exchange) for session in found.rows]
        return self._pager.paged(exchange, rows, found.total)

    async def terminate(self, exchange: Exchange) -> MessageResponse:
        await self._people.sessions.terminate(exchange.who, path_seq(exchange, "id", sessions.MISSING))
        return MessageResponse("Session terminated.")

    def routes(self) -> list[Route]:
        base, tag = f"{BASE}/security", "Security"
        return [
            Route(
                method="POST",
                path=f"{base}/2fa/enable",
                handler=self.enable,
                summary="Begin with an authenticator: it counts once it is verified",
                tag=tag,
                body=EnableRequest,
                response=EnableResponse,
                permission=None,
            ),
            Route(
                method="POST",
                path=f"{base}/2fa/verify",
                handler=self.verify,
                summary="Prove the authenticator: logging in needs a code from now on",
                tag=tag,
                body=VerifyRequest,
                response=VerifyResponse,
                permission=None,
            ),
            Route(
                method="GET",
                path=f"{base}/sessions",
                handler=self.listing,
                summary="Where the user is logged in, the newest first",
                tag=tag,
                query=PageQuery,
                response=Paged[SessionShape],
                permission=None,
            ),
            Route(
                method="DELETE",
                path=f"{base}/sessions/{{id}}",
                handler=self.terminate,
                summary="End a session of the user: its token is worthless at once",
                tag=tag,
                response=MessageResponse,
                permission=None,
            ),
        ]


def _shape(session: Session, exchange: Exchange) -> SessionShape:
    return SessionShape(
        id=session.seq,
        ip_address=session.ip,
        user_agent=session.user_agent,
        last_activity=z(session.seen_at or session.created_at),
        current=session.uid == exchange.who.session_uid,
        created_at=z(session.created_at),
        expires_at=z(session.expires_at),
    )
