"""The token endpoint of OAuth 2.0 as all three vendors have it (RFC 6749 §4.1.3, §5 and §6; revocation: RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec
import structlog

from config.crms import CrmApp
from pipelines.errors import ConfigError
from pipelines.secrets import Secret, Store
from voicecore.domain import instants
from voicecore.domain.integrations import CrmRefused, CrmUnavailable, Grant, GrantLost
from voicecore.integrations.http import Answer, CrmHttp
from voicecore.services.crm_vendors import Leave

UNREGISTERED = CrmApp().client_id
LOST = ("invalid_grant", "interaction_required", "consent_required")  # the user has to come again
MISCONFIGURED = ("invalid_client", "invalid_client_id", "unauthorized_client")

log = structlog.get_logger(__name__)


class ClientApp:
    """Our app at the vendor. `secret` says where its secret is; "": it has none."""

    def __init__(self, vendor: str, client_id: str, secret: str, store: Store) -> None:
        try:
            self._secret = Secret(secret)
        except ValueError as error:
            raise ConfigError(str(error), source="settings", key=f"integrations.{vendor}.client_secret") from error
        self.vendor = vendor
        self.client_id = client_id
        self._store = store

    async def credentials(self) -> dict[str, str]:
        """In the body of a request (RFC 6749 §2.3.1). Raises CrmUnavailable: somebody forgot to store the secret, and
        may do so yet."""
        try:
            found = await self._secret.resolved(self._store, "")
        except LookupError as error:
            raise CrmUnavailable(f"integrations.{self.vendor}.client_secret: {error}") from error
        secret = found.reveal()
        return {"client_id": self.client_id} | ({"client_secret": secret} if secret else {})


class OauthEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's are. `revoke_url` "": he has none."""

    authorize_url: str
    token_url: str
    revoke_url: str = ""


class OauthClient:
    """The dialogue with one vendor's endpoints."""

    def __init__(self, app: ClientApp, endpoints: OauthEndpoints, http: CrmHttp) -> None:
        self._app = app
        self._endpoints = endpoints
        self._http = http

    def login_page(self, leave: Leave, scope: str, extra: Mapping[str, str]) -> str:
        """RFC 6749 §4.1.1 with RFC 7636 §4.3."""
        if self._app.client_id == UNREGISTERED:
            log.warning("crm_app_not_registered", setting=f"integrations.{self._app.vendor}.client_id")
        query = {
            "response_type": "code",
            "client_id": self._app.client_id,
            "redirect_uri": leave.redirect_uri,
            "scope": scope,
            "state": leave.state,
            "code_challenge": leave.challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._endpoints.authorize_url}?{urlencode(query | dict(extra))}"

    async def exchange(
        self, code: str, verifier: str, redirect_uri: str, extra: Mapping[str, str]
    ) -> tuple[Grant, Answer]:
        """Raises CrmRefused, CrmUnavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._asked(form | dict(extra))
        grant = _grant(answer, "")
        if not grant.refresh_token:
            raise CrmRefused(f"{self._app.vendor} gave no refresh token: the app must be allowed to have one")
        return grant, answer

    async def refresh(self, refresh_token: str, extra: Mapping[str, str]) -> tuple[Grant, Answer]:
        """With the old refresh token where none comes (RFC 6749 §6). Raises GrantLost, CrmRefused, CrmUnavailable."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = await self._asked(form | dict(extra))
        return _grant(answer, refresh_token), answer

    async def revoke(self, refresh_token: str) -> None:
        """Raises CrmRefused, CrmUnavailable."""
        if not self._endpoints.revoke_url:
            return
        form = {"token": refresh_token, "token_type_hint": "refresh_token"} | await self._app.credentials()
        answer = await self._http.send("POST", self._endpoints.revoke_url, form=form)
        if not answer.good:
            raise CrmRefused(_reason(answer))

    async def _asked(self, form: Mapping[str, str]) -> Answer:
        answer = await self._http.send(
            "POST", self._endpoints.token_url, form=dict(form) | await self._app.credentials()
        )
        if answer.good:
            return answer
        error = answer.member("error")
        if error in LOST:
            raise GrantLost(_reason(answer))
        if error in MISCONFIGURED:  # by us: the user's permission is not over
            raise CrmUnavailable(f"{self._app.vendor} does not know our app: {_reason(answer)}")
        raise CrmRefused(_reason(answer))


def _grant(answer: Answer, refresh_token: str) -> Grant:
    """Raises CrmUnavailable when the answer is none."""
    access_token = answer.member("access_token")
    if not access_token:
        raise CrmUnavailable("the token endpoint's answer has no access token")
    return Grant(
        access_token=access_token,
        refresh_token=answer.member("refresh_token") or refresh_token,
        expires_at=_expiry(answer.body.get("expires_in")),
        instance_url=answer.member("instance_url").rstrip("/"),
    )


def _expiry(expires_in: object) -> datetime | None:
    """Seconds as a number or, as some write it, a text (RFC 6749 §5.1)."""
    try:
        seconds = int(expires_in) if isinstance(expires_in, int | float | str) else 0
        return instants.now() + timedelta(seconds=seconds) if seconds > 0 else None
    except (ValueError, OverflowError):
        return None


def _reason(answer: Answer) -> str:
    """The vendor's own words (RFC 6749 §5.2), which name no secret."""
    words = [answer.member("error"), answer.member("error_description") or answer.member("message")]
    return ": ".join(word for word in words if word)[:200] or f"the vendor answered {answer.status}"
