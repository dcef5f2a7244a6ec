"""Signed claims: JWTs for people, short signatures for URLs. One secret, in a file of its own."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

import jwt
import msgspec

from pipelines.errors import AuthenticationError
from voicecore.domain import instants
from voicecore.domain.accounts import Session, TokenKind

ALGORITHM = "HS256"


class Claims(msgspec.Struct, frozen=True):
    """`sub` user, `sid` session, `org` organization (uids), `kind` what it opens, `sfc` for which surface,
    `gen` the session's renewals before it, of refresh tokens."""

    sub: str
    sid: str
    org: str
    kind: TokenKind
    sfc: str
    exp: int
    gen: int = 0


def load_secret(path: Path) -> bytes:
    """The secret in `path`; made there, for its owner only, when there is none. Blocks: call at start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text().strip())
    with os.fdopen(descriptor, "w") as file:
        secret = secrets.token_bytes(32)
        file.write(secret.hex() + "\n")
    return secret


class Tokens:
    """`access_s` and `refresh_s` are lifetimes in seconds."""

    def __init__(self, secret: bytes, *, access_s: int = 1800, refresh_s: int = 2592000) -> None:
        self.access_s = access_s
        self.refresh_s = refresh_s
        # Two uses, two keys: nothing signed for one can stand for the other.
        self._secret = secret
        self._jwt_key = self.key_for("jwt")
        self._url_key = self.key_for("url")

    def key_for(self, use: str) -> bytes:
        """Another use of the same secret."""
        return hmac.digest(self._secret, use.encode(), hashlib.sha256)

    def issue(
        self, session: Session, kind: TokenKind, *, lifetime_s: int | None = None, at: datetime | None = None
    ) -> str:
        """Lives `lifetime_s` from `at`, by default its kind's time from now, and at most as long as the session."""
        if lifetime_s is None:
            lifetime_s = self.access_s if kind is TokenKind.ACCESS else self.refresh_s
        lifetime = timedelta(seconds=lifetime_s)
        now = at or instants.now()
        claims = {
            "sub": session.user_uid,
            "sid": session.uid,
            "org": session.organization_uid,
            "kind": kind.value,
            "sfc": session.surface,
            "iat": int(now.timestamp()),
            "exp": int(min(now + lifetime, session.expires_at).timestamp()),
            "jti": secrets.token_hex(8),
        }
        if kind is TokenKind.REFRESH:
            claims["gen"] = session.renewals
        return jwt.encode(claims, self._jwt_key, algorithm=ALGORITHM)

    def read(self, token: str, kind: TokenKind, surface: str) -> Claims:
        """Raises AuthenticationError, with the same words for every way to be wrong."""
        try:
            raw = jwt.decode(
                token,
                self._jwt_key,
                algorithms=[ALGORITHM],
                options={"require": ["exp", "sub", "sid", "org", "kind", "sfc"]},
            )
            claims = msgspec.convert(raw, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError) as error:
            raise AuthenticationError("invalid or expired token") from error
        if claims.kind is not kind or claims.sfc != surface:
            raise AuthenticationError("invalid or expired token")
        return claims

    def sign_url(self, path: str, expires_at: datetime) -> str:
        """`path` with an expiry and a signature over both in its query."""
        expires = str(int(expires_at.timestamp()))
        return f"{path}?expires={expires}&signature={self._signature(path, expires)}"

    def url_is_signed(self, path: str, expires: str, signature: str) -> bool:
        """In constant time as far as the signature goes."""
        right = hmac.compare_digest(self._signature(path, expires).encode(), signature.encode("utf-8", "replace"))
        return right and expires.isascii() and expires.isdigit() and int(expires) > instants.now().timestamp()

    def _signature(self, path: str, expires: str) -> str:
        message = f"{path}\n{expires}".encode("utf-8", "replace")
        return hmac.new(self._url_key, message, hashlib.sha256).hexdigest()
