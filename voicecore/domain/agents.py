"""An agent and its versions. A change never touches a version that a call has used: it makes the next one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from config.schema import AgentSettings


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """The newest version. `external_id` is chosen by the client, unique within the organization."""

    uid: str
    seq: int = 0
    organization_uid: str
    business_uid: str
    external_id: str
    name: str
    description: str = ""
    active: bool = True
    version: int = 1
    config: AgentSettings = AgentSettings()
    created_at: datetime
    updated_at: datetime


class AgentVersion(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    agent_uid: str
    version: int
    name: str
    description: str = ""
    active: bool = True
    config: AgentSettings
    created_at: datetime


class PhoneNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number that an agent answers. `number` is as it was written; `sms`: messages can be sent from it, elsewhere."""

    uid: str
    seq: int = 0
    organization_uid: str
    number: str
    digits: str
    label: str = ""
    sms: bool = False
    agent_uid: str


def merge(stored: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Deep merge as JSON merge patch (RFC 7396): objects merge, null removes, the rest replaces."""
    merged = dict(stored)
    for key, value in patch.items():
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(old if isinstance(old, dict) else {}, value)
        else:
            merged[key] = value
    return merged
