"""Connecting a workspace to a CRM, and ending the connection.

It knows OAuth's order of steps, not how a vendor's endpoints are spoken to: that is a `Vendor`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Permission, Principal, granted
from voicecore.domain.ids import new_uid
from voicecore.domain.integrations import (
    TITLES,
    AuthorizationRequest,
    CrmKind,
    CrmRefused,
    Grant,
    Integration,
)
from voicecore.services.authorization_states import BAD_STATE, AuthorizationStates, StateClaims
from voicecore.services.crm_tokens import CrmTokens
from voicecore.services.crm_vendors import Leave, Vendor
from voicecore.storage import integrations as rows
from voicecore.storage import sync_logs, tenants
from voicecore.storage.database import Database

RETURN_WITHIN = timedelta(minutes=10)  # from the vendor's page

log = structlog.get_logger(__name__)


class Integrations:
    """`check` raises ValidationError for addresses that a client may not send us to; `plain`: http will do there."""

    def __init__(
        self,
        database: Database,
        states: AuthorizationStates,
        tokens: CrmTokens,
        vendors: Mapping[CrmKind, Vendor],
        check: Callable[[str], Awaitable[None]],
        *,
        plain: bool,
    ) -> None:
        self._database = database
        self._states = states
        self._tokens = tokens
        self._vendors = vendors
        self._check = check
        self._plain = plain

    # --- connecting -----------------------------------------------------------------------------------

    async def initiate(self, who: Principal, kind: CrmKind, redirect_uri: str, instance_url: str = "") -> str:
        """The address of the vendor's login page. Raises ValidationError for an instance nobody may name."""
        vendor = self._vendors[kind]
        now = instants.now()
        request = AuthorizationRequest(
            uid=new_uid(),
            organization_uid=who.organization_uid,
            user_uid=who.user_uid,
            kind=kind,
            redirect_uri=redirect_uri,
            instance_url=await self._instance(instance_url) if vendor.by_instance else "",
            created_at=now,
            expires_at=now + RETURN_WITHIN,
        )
        async with self._database.append() as connection:
            await rows.add_request(connection, request)
        return vendor.login_page(
            Leave(
                redirect_uri=redirect_uri,
                state=self._states.issue(request),
                challenge=self._states.challenge(request.uid),
                instance_url=request.instance_url,
            )
        )

    async def _instance(self, given: str) -> str:
        """Only scheme and host of it. Raises ValidationError."""
        try:
            parts = urlsplit(given.strip())
        except ValueError as error:
            raise _wrong_instance("must be an https URL") from error
        if parts.scheme != "https" and not (self._plain and parts.scheme == "http"):
            raise _wrong_instance("must be an https URL")
        origin = f"{parts.scheme}://{parts.netloc.lower()}"
        try:
            await self._check(origin)
        except ValidationError as error:
            raise _wrong_instance(error.fields[0][1]) from error
        return origin

    async def complete(self, kind: CrmKind, state: str, code: str, refusal: str = "") -> Integration:
        """The user is back, with a code or the vendor's refusal. Each state is good for one return. Raises CrmRefused,
        CrmUnavailable."""
        claims = self._states.read(state, kind)
        async with self._database.append() as connection:
            request = await rows.take_request(connection, claims.jti)
            if request is None or not claims.fits(request) or request.expires_at <= instants.now():
                raise CrmRefused(BAD_STATE)
            if not await _may(connection, claims):
                raise CrmRefused("the user who began this may not connect this workspace any more")
        if refusal or not code:
            raise CrmRefused(f"{TITLES[kind]} did not give its permission: {refusal or 'no code'}"[:200])
        grant = await self._vendors[kind].exchange(
            code, self._states.verifier(request.uid), request.redirect_uri, request.instance_url
        )
        return await self._connected(request, grant)

    async def _connected(self, request: AuthorizationRequest, grant: Grant) -> Integration:
        now = instants.now()
        integration = Integration(
            uid=new_uid(),
            organization_uid=request.organization_uid,
            kind=request.kind,
            instance_url=request.instance_url or grant.instance_url,
            email=grant.email,
            sealed_tokens=self._tokens.sealed(grant),
            expires_at=grant.expires_at,
            connected_at=now,
            created_at=now,
        )
        async with self._database.append() as connection:
            await rows.put(connection, integration)
        log.info("crm_connected", kind=request.kind.value, organization=request.organization_uid)
        return integration

    # --- the connection -------------------------------------------------------------------------------

    async def status(self, organization_uid: str, kind: CrmKind) -> Integration | None:
        """None: it is not connected."""
        async with self._database.read() as connection:
            found = await rows.find(connection, organization_uid, kind)
        return found if found is not None and found.connected_at is not None else None

    async def disconnect(self, organization_uid: str, kind: CrmKind) -> None:
        """Forgotten here at once, whether the vendor hears of it or not; without a connection nothing happens."""
        found = await self.status(organization_uid, kind)
        if found is None:
            return
        async with self._database.append() as connection:
            if await rows.disconnect(connection, found):
                await sync_logs.give_up(connection, found.uid, "disconnected")
        await self._tokens.revoke(found)


def _wrong_instance(reason: str) -> ValidationError:
    return ValidationError("Invalid input data", (("instanceUrl", reason),))


async def _may(connection: AsyncConnection, claims: StateClaims) -> bool:
    """Is he still one of the workspace's people, with the right to configure it?"""
    user = await tenants.user(connection, claims.sub)
    if user is None or not user.active:
        return False
    mine = [one for one in await tenants.memberships_of(connection, user.uid) if one.organization_uid == claims.org]
    return any(Permission.CONFIGURE in granted(one.roles, one.permissions) for one in mine)
