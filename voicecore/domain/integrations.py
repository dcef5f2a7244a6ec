"""Connections to customers' CRMs, what a finished call looks like there, and the log of what was sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from config.errors import VoicecoreError
from voicecore.domain.webhooks import DeliveryState


class CrmKind(StrEnum):
    SALESFORCE = "salesforce"
    HUBSPOT = "hubspot"
    DYNAMICS = "dynamics"


TITLES = {CrmKind.SALESFORCE: "Salesforce", CrmKind.HUBSPOT: "HubSpot", CrmKind.DYNAMICS: "Dynamics 365"}


class CrmRefused(VoicecoreError):
    """The vendor, or we, will not do this, and asking again does not help."""

    code = "crm_refused"
    http_status = 400


class TokenRefused(CrmRefused):
    """The access token is not accepted (401). A fresh one may be."""

    code = "crm_token_refused"


class GrantLost(CrmRefused):
    """The user's permission is over: he has to connect again."""

    code = "crm_grant_lost"


class CrmUnavailable(VoicecoreError):
    """A moment's trouble. `retry_after_s`: for so long the vendor does not want to be asked; 0: he did not say."""

    code = "crm_unavailable"
    http_status = 503

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's token endpoint gave. `expires_at` None: he does not say. `instance_url` and `email` are "" where
    he names none."""

    access_token: str
    refresh_token: str
    expires_at: datetime | None = None
    instance_url: str = ""
    email: str = ""


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A user was sent to the vendor, and has not come back yet. Good for one return."""

    uid: str
    seq: int = 0
    organization_uid: str
    user_uid: str
    kind: CrmKind
    redirect_uri: str
    instance_url: str = ""
    created_at: datetime
    expires_at: datetime


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """One workspace's CRM of one kind; the row outlives the connection, for its log does. `sealed_tokens` is a Grant's
    two tokens, encrypted. `trouble`: why the vendor ended the connection."""

    uid: str
    seq: int = 0
    organization_uid: str
    kind: CrmKind
    instance_url: str = ""
    email: str = ""
    sealed_tokens: str = ""
    expires_at: datetime | None = None
    renewing_until: datetime | None = None  # one process asks for fresh tokens until then
    connected_at: datetime | None = None  # None: it is not
    trouble: str = ""
    created_at: datetime


class CrmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A person there. `kind` is the vendor's word in lower case: contact or lead."""

    id: str
    kind: str
    created: bool = False  # by us


class SyncLog(msgspec.Struct, frozen=True, kw_only=True):
    """One call's way into one CRM: a row of a queue until it is there or given up. `record_id` is set as soon as the
    person is known, so that another attempt does not make him again."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    integration_uid: str
    call_uid: str
    phone_number: str
    record_id: str = ""
    record_kind: str = ""
    created_new: bool = False
    activity_id: str = ""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_at: datetime | None
    last_error: str = ""
    created_at: datetime

    @property
    def record(self) -> CrmRecord | None:
        if not self.record_id:
            return None
        return CrmRecord(id=self.record_id, kind=self.record_kind, created=self.created_new)


class PushedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What a CRM is told of a call. `text` is the summary and the conversation, one line each time somebody speaks."""

    call_uid: str
    log_uid: str
    number: str  # of the other party
    name: str = ""  # of the other party
    our_number: str = ""
    agent: str = ""
    outgoing: bool = False
    answered: bool = True
    failed: bool = False
    started_at: datetime
    ended_at: datetime
    duration_s: float = 0.0
    text: str = ""

    @property
    def subject(self) -> str:
        way = "Call to" if self.outgoing else "Call from"
        return f"{way} {self.name or self.number}" + (f" ({self.agent})" if self.agent else "")

    @property
    def names(self) -> tuple[str, str]:
        """First and last name; somebody unknown is called by his number."""
        first, _, last = self.name.strip().rpartition(" ")
        return first.strip(), last or self.number
