"""What a user takes along to a vendor's login page and back: a signed state, and the proof that it was us who sent him.

OAuth 2.0 authorization code (RFC 6749 §4.1) with PKCE (RFC 7636). The verifier follows from the request's id and our
secret, so that it is stored nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import jwt
import msgspec

from voicecore.domain.integrations import AuthorizationRequest, CrmKind, CrmRefused
from voicecore.services.tokens import ALGORITHM, Tokens

BAD_STATE = "invalid or expired state"


class StateClaims(msgspec.Struct, frozen=True):
    """`jti` is the request's uid, `sub` and `org` are uids of user and workspace."""

    jti: str
    sub: str
    org: str
    crm: CrmKind
    exp: int

    def fits(self, request: AuthorizationRequest) -> bool:
        return (self.sub, self.org, self.crm) == (request.user_uid, request.organization_uid, request.kind)


class AuthorizationStates:
    def __init__(self, tokens: Tokens) -> None:
        self._state_key = tokens.key_for("authorization state")
        self._verifier_key = tokens.key_for("authorization verifier")

    def issue(self, request: AuthorizationRequest) -> str:
        """Expires with the request."""
        claims = StateClaims(
            jti=request.uid,
            sub=request.user_uid,
            org=request.organization_uid,
            crm=request.kind,
            exp=int(request.expires_at.timestamp()),
        )
        return jwt.encode(msgspec.to_builtins(claims), self._state_key, algorithm=ALGORITHM)

    def read(self, state: str, kind: CrmKind) -> StateClaims:
        """Raises CrmRefused, with the same words for every way to be wrong."""
        try:
            required = list(StateClaims.__struct_fields__)
            raw = jwt.decode(state, self._state_key, algorithms=[ALGORITHM], options={"require": required})
            claims = msgspec.convert(raw, StateClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError) as error:
            raise CrmRefused(BAD_STATE) from error
        if claims.crm is not kind:
            raise CrmRefused(BAD_STATE)
        return claims

    def verifier(self, request_uid: str) -> str:
        """43 characters (RFC 7636 §4.1)."""
        return _unpadded(hmac.digest(self._verifier_key, request_uid.encode(), hashlib.sha256))

    def challenge(self, request_uid: str) -> str:
        """Of the method S256 (RFC 7636 §4.2)."""
        return _unpadded(hashlib.sha256(self.verifier(request_uid).encode()).digest())


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
