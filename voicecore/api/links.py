"""Signed links to files of this server: how they are made and how a request proves its right to the file."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import web

from pipelines.errors import AuthenticationError
from voicecore.api.kit import Exchange
from voicecore.domain import instants
from voicecore.services.tokens import Tokens

LINK_LIFE = timedelta(hours=1)


class Links:
    """`public_url` is how clients reach us, "" to ask each request."""

    def __init__(self, tokens: Tokens, public_url: str) -> None:
        self._tokens = tokens
        self._public_url = public_url.rstrip("/")

    def to(self, path: str, request: web.Request, life: timedelta = LINK_LIFE) -> str:
        """An absolute URL that opens `path` without a token until it expires."""
        return self.below(str(request.url.origin()), path, life)

    def below(self, base: str, path: str, life: timedelta = LINK_LIFE) -> str:
        """The same where there is no request; `base` is used when no public URL is set."""
        return (self._public_url or base) + self._tokens.sign_url(path, instants.now() + life)

    def signed_path(self, url: str) -> str | None:
        """The path that a link of ours opens, if it is one and not expired."""
        parts = urlsplit(url)
        query = dict(pair.partition("=")[::2] for pair in parts.query.split("&"))
        right = self._tokens.url_is_signed(parts.path, query.get("expires", ""), query.get("signature", ""))
        return parts.path if right else None

    def organization(self, exchange: Exchange) -> str | None:
        """Whose files the request may have; None: this one, for its link is signed. Raises AuthenticationError."""
        if exchange.principal is not None:
            return exchange.organization_uid
        query, path = exchange.http.query, exchange.http.path
        if not self._tokens.url_is_signed(path, query.get("expires", ""), query.get("signature", "")):
            raise AuthenticationError("invalid or expired signature")
        return None
