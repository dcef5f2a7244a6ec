"""The secret's file, the claims' kinds and surfaces, expiry, signed URLs."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.errors import AuthenticationError
from voicecore.domain import instants
from voicecore.domain.accounts import Session, TokenKind
from voicecore.services.tokens import Tokens, load_secret


def session(lasts: timedelta = timedelta(days=1)) -> Session:
    now = instants.now()
    return Session(
        uid="s", user_uid="u", organization_uid="o", surface="vocaliq", created_at=now, expires_at=now + lasts
    )


def test_the_secret_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    secret = load_secret(path)
    assert len(secret) == 32
    assert load_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_secret(tmp_path / "other") != secret


def test_kind_surface_and_secret_must_fit() -> None:
    tokens = Tokens(b"k" * 32)
    token = tokens.issue(session(), TokenKind.ACCESS)
    assert tokens.read(token, TokenKind.ACCESS, "vocaliq").sub == "u"
    for reader, kind, surface in (
        (tokens, TokenKind.REFRESH, "vocaliq"),
        (tokens, TokenKind.ACCESS, "portal"),
        (Tokens(b"x" * 32), TokenKind.ACCESS, "vocaliq"),
    ):
        with pytest.raises(AuthenticationError, match=r"^invalid or expired token$"):
            reader.read(token, kind, surface)


def test_a_token_does_not_outlive_its_session() -> None:
    tokens = Tokens(b"k" * 32)
    with pytest.raises(AuthenticationError):
        tokens.read(tokens.issue(session(timedelta(seconds=-1)), TokenKind.REFRESH), TokenKind.REFRESH, "vocaliq")


def test_signed_urls() -> None:
    tokens = Tokens(b"k" * 32)
    url = tokens.sign_url("/recordings/rec_1.wav", instants.now() + timedelta(minutes=1))
    path, _, query = url.partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    assert tokens.url_is_signed(path, expires, signature)
    assert not tokens.url_is_signed("/recordings/rec_2.wav", expires, signature)
    assert not tokens.url_is_signed(path, str(int(expires) + 1), signature)
    assert not tokens.url_is_signed(path, expires, "")
    assert not tokens.url_is_signed(path, "9" * 5000, "ü\ud800")
    assert not Tokens(b"x" * 32).url_is_signed(path, expires, signature)
