"""The authorization server that the CRM emulators share: code grant with PKCE, refresh, revocation.

RFC 6749 §4.1 and §6, RFC 7636 §4.6 and RFC 7009, as strict as the vendors are: a code is good once and for one redirect
URI, a verifier has to fit, an expired token is refused. Each vendor words its refusals.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from benchmarks.emulators.base import RETRY_AFTER_S, Emulator, Fault


@dataclass
class Code:
    redirect_uri: str
    challenge: str
    scope: str


class Refused(Exception):
    """Of the token endpoint (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class OauthEmulator(Emulator, ABC):
    """`client_secret` "" is a public client. `lifetime_s` None: the answer does not say how long a token lives."""

    lifetime_s: int | None = 1800
    open_paths: tuple[str, ...] = ()  # prefixes without a bearer token

    def __init__(self, *, client_id: str = "app", client_secret: str = "app-secret", redirect_uris: str = "") -> None:
        """`redirect_uris`: what a registered one ends with."""
        super().__init__()
        self.client_id = client_id
        self.client_secret = client_secret
        self.redirect_ending = redirect_uris
        self.consents = True  # does the user say yes?
        self.rotates = False  # does each refresh bring another refresh token?
        self.token_fault = Fault.NONE
        self.codes: dict[str, Code] = {}
        self.access_tokens: set[str] = set()
        self.refresh_tokens: dict[str, str] = {}  # → scope
        self.refreshes = 0
        self.retry_after_s = RETRY_AFTER_S
        self.numbers = itertools.count(1)
        self.app.middlewares.append(self._guarded())

    # --- what a test does ---------------------------------------------------------------------------

    def expire(self) -> None:
        """All access tokens are over; refresh tokens go on."""
        self.access_tokens.clear()

    def withdraw(self) -> None:
        """The user takes his permission back at the vendor's."""
        self.expire()
        self.refresh_tokens.clear()

    # --- endpoints ----------------------------------------------------------------------------------

    async def authorize(self, request: web.Request) -> web.Response:
        """What a login page does when its user has agreed: he is sent back."""
        query = request.query
        if query.get("client_id") != self.client_id:
            return self.oauth_error("invalid_client_id", "client identifier invalid")
        redirect_uri = query.get("redirect_uri", "")
        if not redirect_uri or not redirect_uri.endswith(self.redirect_ending):
            return self.oauth_error("redirect_uri_mismatch", "redirect_uri must match configuration")
        back = {"state": query.get("state", "")}
        wrong = self._authorize_mistake(query)
        if wrong or not self.consents:
            back |= {"error": wrong or "access_denied"}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = Code(redirect_uri, query["code_challenge"], query["scope"])
            back |= {"code": code}
        raise web.HTTPFound(f"{redirect_uri}?{urlencode(back)}")

    def _authorize_mistake(self, query: Mapping[str, str]) -> str:
        if query.get("response_type") != "code":
            return "unsupported_response_type"
        if query.get("code_challenge_method") != "S256" or len(query.get("code_challenge", "")) != 43:
            return "invalid_request"
        return "" if self.scope_is_known(query.get("scope", "")) else "invalid_scope"

    async def token(self, request: web.Request) -> web.Response:
        if self.token_fault is Fault.STALL:
            await asyncio.Event().wait()
        if self.token_fault is not Fault.NONE:
            return web.json_response({"error": "server_error"}, status=503)
        if request.content_type != "application/x-www-form-urlencoded":
            return self.oauth_error("invalid_request", "the body must be form encoded")
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append({"path": request.path, **form})
        try:
            self._check_client(form)
            scope, refresh_token = self._granted(form)
        except Refused as refused:
            return self.oauth_error(refused.error, refused.description)
        access_token = f"at-{next(self.numbers)}-{secrets.token_hex(8)}"
        self.access_tokens.add(access_token)
        body: dict[str, Any] = {"access_token": access_token, "token_type": "Bearer", "scope": scope}
        if self.lifetime_s is not None:
            body["expires_in"] = self.lifetime_s
        if refresh_token:
            body["refresh_token"] = refresh_token
        return web.json_response(body | self.token_extras(form), headers={"Cache-Control": "no-store"})

    def _check_client(self, form: Mapping[str, str]) -> None:
        if form.get("client_id") != self.client_id:
            raise Refused("invalid_client", "client identifier invalid")
        if form.get("client_secret", "") != self.client_secret:
            raise Refused("invalid_client", "invalid client credentials")

    def _granted(self, form: Mapping[str, str]) -> tuple[str, str]:
        """The scope, and a refresh token if there is a new one."""
        if form.get("grant_type") == "authorization_code":
            code = self.codes.pop(form.get("code", ""), None)
            if code is None:
                raise Refused("invalid_grant", "expired authorization code")
            if form.get("redirect_uri") != code.redirect_uri:
                raise Refused("redirect_uri_mismatch", "redirect_uri must match the one of the code")
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
                raise Refused("invalid_grant", "invalid code verifier")
            return code.scope, self._new_refresh_token(code.scope)
        if form.get("grant_type") == "refresh_token":
            old = form.get("refresh_token", "")
            if old not in self.refresh_tokens:
                raise Refused("invalid_grant", "expired access/refresh token")
            self.refreshes += 1
            scope = self.refresh_tokens[old]
            if not self.rotates:
                return scope, ""
            del self.refresh_tokens[old]
            return scope, self._new_refresh_token(scope)
        raise Refused("unsupported_grant_type", "grant type not supported")

    def _new_refresh_token(self, scope: str) -> str:
        token = f"rt-{next(self.numbers)}-{secrets.token_hex(8)}"
        self.refresh_tokens[token] = scope
        return token

    async def revoke(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.requests.append({"path": request.path})
        if self.refresh_tokens.pop(str(form.get("token")), None) is None:
            return self.oauth_error("unsupported_token_type", "this token is not known")
        self.expire()
        return web.Response()

    # --- what vendors differ in -----------------------------------------------------------------------

    @abstractmethod
    def scope_is_known(self, scope: str) -> bool: ...

    def token_extras(self, form: Mapping[str, str]) -> dict[str, Any]:
        """More members of the token endpoint's answer."""
        return {}

    def oauth_error(self, error: str, description: str) -> web.Response:
        return web.json_response({"error": error, "error_description": description}, status=400)

    @abstractmethod
    def api_error(self, status: int, code: str, message: str, **more: Any) -> web.Response:
        """In the vendor's shape."""

    @abstractmethod
    def limited(self) -> web.Response:
        """The answer of a used-up quota."""

    @abstractmethod
    def unauthorized(self) -> web.Response: ...

    # --- the door of everything else ------------------------------------------------------------------

    def _guarded(self) -> Any:
        @web.middleware
        async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
            if request.path.startswith(self.open_paths):
                return await handler(request)
            with self.stream():
                if (refused := await self._refused(request)) is not None:
                    return refused
                response: web.StreamResponse = await handler(request)
                if self.fault is Fault.CUT and request.transport is not None:  # it is done; nobody hears of it
                    request.transport.abort()
                return response

        return guarded

    async def _refused(self, request: web.Request) -> web.Response | None:
        if self.fault is Fault.STALL:
            await asyncio.Event().wait()
        if self.fault is Fault.RATE_LIMIT:
            return self.limited()
        if self.fault is Fault.SERVER_ERROR:
            return self.api_error(503, "SERVER_UNAVAILABLE", "try again later")
        if self.fault is Fault.MALFORMED:
            return web.Response(text="<html>a proxy speaks</html>", content_type="text/html")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if self.fault is Fault.UNAUTHORIZED or scheme != "Bearer" or token not in self.access_tokens:
            return self.unauthorized()
        return None

    def retry_after(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


async def json_of(request: web.Request) -> dict[str, Any] | None:
    """None when the body is no JSON object."""
    if request.content_type != "application/json":
        return None
    try:
        body = await request.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
