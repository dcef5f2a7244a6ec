"""What only a workspace has: what is selected in it, features that are switched, and what others post to it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from voicecore.domain.accounts import Organization


class Addon(StrEnum):
    """A feature of an organization that can be switched."""

    OPENAI_ANALYSIS = "openai_analysis"  # finished calls are analysed
    TWILIO_ENHANCED_CALLER_ID = "twilio_enhanced_caller_id"  # callers' names are looked up
    APPOINTMENTS_BY_AI = "appointments_by_ai"  # agents book


# Where nobody has switched anything: what needs an account elsewhere is off.
SWITCHED_ON = frozenset({Addon.OPENAI_ANALYSIS, Addon.APPOINTMENTS_BY_AI})


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """An organization as one of its members sees it."""

    organization: Organization
    role: str


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """`assistant` is the uid of an agent, or whatever a client has put there; `model_secret` the name under which the
    workspace's key to language models is stored, "" when it has none."""

    assistant: str = ""
    phone: str = ""
    org: str = ""
    model_secret: str = ""


class InboundWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address of ours that others post to. Who knows `token` may post."""

    uid: str
    seq: int = 0
    organization_uid: str
    name: str
    token: str
    sealed_secret: str
    created_at: datetime


class InboundEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What was posted, as it came. `signed`: with the webhook's secret."""

    uid: str
    seq: int = 0
    organization_uid: str
    webhook_uid: str
    content_type: str
    body: str
    signed: bool
    created_at: datetime
