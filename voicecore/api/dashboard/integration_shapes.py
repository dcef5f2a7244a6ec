"""Connections to CRMs and their logs as the document shows them: of three vendors, in three shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from voicecore.api.dashboard.words import unix, z
from voicecore.domain.integrations import CrmKind, Integration, SyncLog
from voicecore.domain.webhooks import DeliveryState

STATUS_WORDS = {
    DeliveryState.PENDING: "pending",  # it will be sent, or tried again
    DeliveryState.DELIVERED: "success",
    DeliveryState.DEAD: "error",  # given up
}


class AuthUrlResponse(msgspec.Struct, rename="camel"):
    auth_url: str


class SalesforceStatus(msgspec.Struct, rename="camel", omit_defaults=True):
    """The rest only while it is connected."""

    connected: bool
    email: str | msgspec.UnsetType = msgspec.UNSET
    instance_url: str | msgspec.UnsetType = msgspec.UNSET
    connected_at: str | msgspec.UnsetType = msgspec.UNSET


class HubspotStatus(msgspec.Struct, rename="camel", omit_defaults=True):
    connected: bool
    connected_at: str | msgspec.UnsetType = msgspec.UNSET


class DynamicsStatus(msgspec.Struct, rename="camel", omit_defaults=True):
    connected: bool
    instance_url: str | msgspec.UnsetType = msgspec.UNSET
    connected_at: str | msgspec.UnsetType = msgspec.UNSET


class DisconnectResponse(msgspec.Struct):
    success: bool
    message: str


class SalesforceLog(msgspec.Struct, kw_only=True):
    """`lead_id` is the contact's where the caller is one; null as long as nobody knows."""

    id: str
    call_id: str
    status: str
    phone_number: str
    lead_id: str | None
    created_at: int


class HubspotLog(msgspec.Struct, kw_only=True):
    id: str
    call_id: str
    status: str
    phone_number: str
    contact_id: str | None
    engagement_id: str | None
    created_at: int


class DynamicsLog(msgspec.Struct, kw_only=True):
    id: str
    call_id: str
    status: str
    phone_number: str
    dynamics_record_id: str | None
    dynamics_activity_id: str | None
    lead_created: bool
    created_at: int


class LogDetail(msgspec.Struct, kw_only=True):
    """Of any CRM, our addition: why it did not work, and when it is tried again."""

    id: str
    call_id: str
    status: str
    phone_number: str
    record_id: str | None
    record_kind: str | None
    record_created: bool
    activity_id: str | None
    attempts: int
    error: str
    next_attempt_at: int | None
    created_at: int


class Words(msgspec.Struct, frozen=True):
    """How the document speaks of one CRM."""

    status: type[Any]
    state: Callable[[Integration], Any]
    log: type[Any]
    row: Callable[[SyncLog], Any]


def _salesforce(found: Integration) -> SalesforceStatus:
    return SalesforceStatus(True, found.email, found.instance_url, _since(found))


def _hubspot(found: Integration) -> HubspotStatus:
    return HubspotStatus(True, _since(found))


def _dynamics(found: Integration) -> DynamicsStatus:
    return DynamicsStatus(True, found.instance_url, _since(found))


def _since(found: Integration) -> str:
    assert found.connected_at is not None  # only connections get here
    return z(found.connected_at)


def _common(log: SyncLog) -> dict[str, Any]:
    return {
        "id": log.external_id,
        "call_id": log.call_uid,
        "status": STATUS_WORDS[log.state],
        "phone_number": log.phone_number,
        "created_at": unix(log.created_at),
    }


def _salesforce_log(log: SyncLog) -> SalesforceLog:
    return SalesforceLog(lead_id=log.record_id or None, **_common(log))


def _hubspot_log(log: SyncLog) -> HubspotLog:
    return HubspotLog(contact_id=log.record_id or None, engagement_id=log.activity_id or None, **_common(log))


def _dynamics_log(log: SyncLog) -> DynamicsLog:
    return DynamicsLog(
        dynamics_record_id=log.record_id or None,
        dynamics_activity_id=log.activity_id or None,
        lead_created=log.created_new,
        **_common(log),
    )


def detail(log: SyncLog) -> LogDetail:
    return LogDetail(
        record_id=log.record_id or None,
        record_kind=log.record_kind or None,
        record_created=log.created_new,
        activity_id=log.activity_id or None,
        attempts=log.attempts,
        error=log.last_error,
        next_attempt_at=unix(log.next_at) if log.next_at is not None else None,
        **_common(log),
    )


WORDS = {
    CrmKind.SALESFORCE: Words(SalesforceStatus, _salesforce, SalesforceLog, _salesforce_log),
    CrmKind.HUBSPOT: Words(HubspotStatus, _hubspot, HubspotLog, _hubspot_log),
    CrmKind.DYNAMICS: Words(DynamicsStatus, _dynamics, DynamicsLog, _dynamics_log),
}
