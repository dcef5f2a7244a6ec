"""The trail of who changed what: one entry per change, with how much depends on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

DENIED = "access.denied"
REDACTED = "[redacted]"
LONGEST = 500  # characters of one value
MOST = 50  # members or items of one value
DEEPEST = 6
_SECRET = re.compile(
    r"password|passwd|secret|token|credential|api_?key|private_?key|^key$|code|signature", re.IGNORECASE
)
_BASES = re.compile(r"api|v\d+|portal")  # what paths begin with before they name anything
_VERBS = {"POST": "created", "PUT": "updated", "PATCH": "updated", "DELETE": "deleted"}
# Path segments whose singular is not theirs without the "s".
_MODELS = {
    "auth": "session",
    "2fa": "two_factor",
    "team": "team_member",
    "settings": "settings",
    "gdpr": "privacy_request",
    "billing": "billing",
    "analytics": "analytics",
    "knowledge": "knowledge_article",
    "articles": "knowledge_article",
    "audio": "audio",
    "companies": "company",
}
_CONTAINERS = {"security", "crm", "admin", "telephony", "knowledge-base"}  # what is changed is the next segment
_DELICATE = {"team_member", "two_factor", "session", "privacy_request", "provider", "workspace"}
_OFFICIAL = {"settings", "webhook", "agent", "organization", "billing", "client", "assistant", "outbound_webhook"}
# About nobody in particular, so that what was sent may stay on record; of all others only which members were sent.
_OPEN = _OFFICIAL | {"team_member", "addon", "knowledge_article"}


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Deed(NamedTuple):
    """What a request did, by its route."""

    action: str  # "team_member.invite"
    model_type: str
    risk: Risk


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    seq: int = 0
    organization_uid: str
    user_uid: str | None
    surface: str
    action: str
    model_type: str
    model_id: str = ""
    risk_level: Risk
    ip: str = ""
    user_agent: str = ""
    changes: dict[str, Any] = {}
    created_at: datetime


class NamedEntry(AuditEntry, frozen=True, kw_only=True):
    """With who it was, as far as he is still known."""

    user_seq: int | None
    user_name: str | None
    user_email: str | None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    user_seq: int | None = None
    action: str | None = None
    model_type: str | None = None
    risk_level: Risk | None = None
    from_at: datetime | None = None
    before_at: datetime | None = None


def deed(method: str, path: str) -> Deed:
    """What a route (its method and template) does: the model is the first thing that the path names, the verb its last
    word, else the method's."""
    words = [word for word in path.strip("/").split("/") if not _BASES.fullmatch(word)]
    named = [word for word in words if not word.startswith("{")] or ["request"]
    first = named[1] if named[0] in _CONTAINERS and len(named) > 1 else named[0]
    model = _MODELS.get(first) or first.replace("-", "_").removesuffix("s")
    last = words[-1] if words else first
    verb = _VERBS.get(method, method.lower())
    if not last.startswith("{") and last != first:
        verb = last.replace("-", "_")
    return Deed(f"{model}.{verb}", model, _risk(model, verb))


def _risk(model: str, verb: str) -> Risk:
    if model in _DELICATE or verb == "deleted":
        return Risk.HIGH
    return Risk.MEDIUM if model in _OFFICIAL or verb in ("updated", "export", "cancel") else Risk.LOW


def kept(model: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request's members may stay on record: no secrets, and of persons only which members were sent."""
    return {name: _kept(name, value, 1) if model in _OPEN else None for name, value in list(sent.items())[:MOST]}


def _kept(name: str, value: Any, depth: int) -> Any:
    if _SECRET.search(name):
        return REDACTED
    if isinstance(value, dict):
        if depth > DEEPEST:
            return None
        return {str(key): _kept(str(key), item, depth + 1) for key, item in list(value.items())[:MOST]}
    if isinstance(value, list):
        return [_kept("", item, depth + 1) for item in value[:MOST]] if depth <= DEEPEST else None
    return value[:LONGEST] if isinstance(value, str) else value
