"""What a user takes along to a vendor: signed for one purpose, PKCE as RFC 7636 has it."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta

import jwt
import msgspec
import pytest

from voicecore.domain import instants
from voicecore.domain.integrations import AuthorizationRequest, CrmKind, CrmRefused
from voicecore.services.authorization_states import AuthorizationStates
from voicecore.services.tokens import Tokens

NOW = instants.now()
REQUEST = AuthorizationRequest(
    uid="r",
    organization_uid="o",
    user_uid="u",
    kind=CrmKind.HUBSPOT,
    redirect_uri="https://x.example",
    created_at=NOW,
    expires_at=NOW + timedelta(days=1),
)


def test_a_state_comes_back_as_it_went() -> None:
    states = AuthorizationStates(Tokens(b"secret"))
    claims = states.read(states.issue(REQUEST), CrmKind.HUBSPOT)
    assert claims.jti == "r"
    assert claims.fits(REQUEST)
    assert not claims.fits(msgspec.structs.replace(REQUEST, organization_uid="another"))
    assert not claims.fits(msgspec.structs.replace(REQUEST, user_uid="another"))


def test_what_is_no_state() -> None:
    states = AuthorizationStates(Tokens(b"secret"))
    late = msgspec.structs.replace(REQUEST, expires_at=NOW - timedelta(seconds=1))
    unsigned = jwt.encode({"jti": "r", "sub": "u", "org": "o", "crm": "hubspot", "exp": 9999999999}, None, "none")
    foreign = AuthorizationStates(Tokens(b"another")).issue(REQUEST)
    for wrong in ("", "x", unsigned, foreign, states.issue(late)):
        with pytest.raises(CrmRefused):
            states.read(wrong, CrmKind.HUBSPOT)
    with pytest.raises(CrmRefused):
        states.read(states.issue(REQUEST), CrmKind.SALESFORCE)


def test_the_challenge_is_of_the_verifier() -> None:
    states = AuthorizationStates(Tokens(b"secret"))
    verifier = states.verifier("r")
    assert len(verifier) == 43
    digest = hashlib.sha256(verifier.encode()).digest()
    assert states.challenge("r") == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert states.verifier("another") != verifier
    assert AuthorizationStates(Tokens(b"another")).verifier("r") != verifier
