"""The seed file, strictly: what `docs/seed.md` describes. Unknown keys are refused on reading."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pipelines.events import EndReason
from pipelines.timing import Stage
from voicecore.domain.workspaces import Addon

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,99}$")]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
Aware = Annotated[datetime, Meta(tz=True)]
Minutes = Annotated[int, Meta(ge=1, le=1440)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# "09:00-18:00", or several; checked by seed_rows.spans, for msgspec 0.22.0 corrupts memory on a union of a
# string with a pattern and a list of such strings.
OpeningHours = dict[Day, str | list[str]]


class SeedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every block of a seed file."""


class SeedUser(SeedRow, frozen=True):
    email: Email
    password: Annotated[str, Meta(min_length=8, max_length=1024)]
    name: str | None = None  # None: as it is
    roles: tuple[Literal["admin", "manager", "user", "staff"], ...] = ("user",)  # "staff" is another word for user
    permissions: tuple[str, ...] | None = None  # None: as they are, in the beginning what the roles grant
    active: bool = True
    platform_admin: bool | None = None  # None: as it is
    avatar_url: str | None = None  # None: as it is

    def __repr__(self) -> str:
        return f"SeedUser({self.email!r})"  # never the password


class SeedService(SeedRow, frozen=True):
    name: str
    minutes: Minutes
    price: float | None = None
    id: Id | None = None


class SeedResource(SeedRow, frozen=True):
    id: Id
    name: str
    active: bool = True


class SeedArticle(SeedRow, frozen=True):
    title: str
    content: str
    category: str = ""
    tags: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    valid_from: Aware | None = None
    valid_until: Aware | None = None
    id: Id | None = None


class SeedCompany(SeedRow, frozen=True):
    name: str
    timezone: str = ""
    phone: str = ""
    address: str = ""
    profession: str = ""
    voice_name: str = ""


class SeedBranch(SeedRow, frozen=True):
    """A business besides the organization's first one, whoever answers for it. Without a time zone it has the
    organization's."""

    id: Id
    name: str
    timezone: str = ""
    phone: str = ""
    address: str = ""
    services: tuple[SeedService, ...] = ()
    resources: tuple[SeedResource, ...] = ()
    opening_hours: OpeningHours = {}
    knowledge: tuple[SeedArticle, ...] = ()


class SeedAgent(SeedRow, frozen=True):
    """With `company` the agent answers for a business of its own; without, for the organization's first.
    `file` takes everything that is not said here from an agent file."""

    id: Id | None = None
    file: str = ""
    name: str = ""
    description: str = ""
    active: bool = True
    config: dict[str, Any] = {}
    company: SeedCompany | None = None
    services: tuple[SeedService, ...] = ()
    resources: tuple[SeedResource, ...] = ()
    opening_hours: OpeningHours = {}
    knowledge: tuple[SeedArticle, ...] = ()


class SeedNumber(SeedRow, frozen=True):
    number: Annotated[str, Meta(pattern=r"\d")]
    agent: Id
    label: str = ""
    sms: bool = False


class SeedCustomer(SeedRow, frozen=True):
    id: Id
    name: str = ""
    phone: str = ""
    email: str = ""
    tags: tuple[str, ...] = ()
    custom_fields: dict[str, Any] = {}
    notes: str = ""
    company: str = ""
    title: str = ""
    address: dict[Literal["street", "city", "postal_code", "country"], str] = {}


class SeedAppointment(SeedRow, frozen=True):
    """`price`: that of the service when nothing is said. `created_at`: when it was booked; at the end of its call if
    that is in the same file, else now, or its start where that is past."""

    id: Id
    resource: Id
    start: Aware
    minutes: Minutes
    customer: Id | None = None
    service: str = ""
    status: Literal["scheduled", "confirmed", "rescheduled", "completed", "no_show", "cancelled"] = "scheduled"
    notes: str = ""
    source: str = "seed"
    price: Annotated[float, Meta(ge=0)] | None = None
    cancel_reason: str = ""
    created_at: Aware | None = None
    call: Id | None = None


class SeedTool(SeedRow, frozen=True):
    """What the agent did while it answered."""

    name: str
    arguments: dict[str, Any] = {}
    result: Any = None


class SeedTurn(SeedRow, frozen=True):
    """`at_s` seconds of call time; by default each turn takes five. `stages` in milliseconds."""

    caller: str = ""
    agent: str = ""
    heard: str | None = None  # what of `agent` was heard; all of it by default
    at_s: float | None = None
    interrupted: bool = False
    stages: dict[Stage, float] = {}
    tools: tuple[SeedTool, ...] = ()


class SeedAnalysis(SeedRow, frozen=True):
    """What was made of a call; without it the server makes it itself. `talk_time_ratio`: the agent's share."""

    summary: str = ""
    action_items: tuple[str, ...] = ()
    keywords: tuple[Annotated[str, Meta(min_length=1, max_length=80)], ...] = ()
    topics: tuple[str, ...] = ()
    intent: Annotated[str, Meta(max_length=60)] = ""
    sentiment: Literal["positive", "neutral", "negative"] = "neutral"
    quality_score: Annotated[int, Meta(ge=1, le=5)] = 3
    talk_time_ratio: Annotated[float, Meta(ge=0, le=1)] | None = None
    language: Annotated[str, Meta(max_length=10)] = "en"


class SeedCall(SeedRow, frozen=True):
    """A call that is over. `duration_s` 0: it was never answered. `waited_s`: how long it rang."""

    id: Id
    started_at: Aware
    waited_s: Annotated[float, Meta(ge=0)] = 0.0
    duration_s: Annotated[float, Meta(ge=0)] = 0.0
    sid: str = ""
    direction: Literal["inbound", "outbound", "internal"] = "inbound"
    from_number: str = ""
    to_number: str = ""
    agent: Id | None = None
    customer: Id | None = None  # else who has the number
    transcript: str = ""  # of a call that others held; else its turns are
    recording_url: str = ""
    analysis: SeedAnalysis | None = None
    end_reason: EndReason = EndReason.CALLER_HANGUP
    party_name: str = ""
    notes: str = ""
    sentiment: Literal["positive", "neutral", "negative"] | None = None
    success: bool | None = None
    metadata: dict[str, Any] = {}
    turns: tuple[SeedTurn, ...] = ()

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.waited_s + self.duration_s)


class SeedOrganization(SeedRow, frozen=True):
    """Services, resources, opening hours and knowledge without an agent belong to its first business."""

    id: Id
    name: str
    contact_email: str = ""
    phone: str = ""
    address: dict[str, str] = {}
    settings: dict[str, Any] = {}
    addons: dict[Addon, bool] = {}
    timezone: str = "UTC"
    retention_days: Annotated[int, Meta(ge=1)] | None = None  # None: what was said is kept
    users: tuple[SeedUser, ...] = ()
    services: tuple[SeedService, ...] = ()
    resources: tuple[SeedResource, ...] = ()
    opening_hours: OpeningHours = {}
    knowledge: tuple[SeedArticle, ...] = ()
    branches: tuple[SeedBranch, ...] = ()
    agents: tuple[SeedAgent, ...] = ()
    phone_numbers: tuple[SeedNumber, ...] = ()
    customers: tuple[SeedCustomer, ...] = ()
    calls: tuple[SeedCall, ...] = ()
    appointments: tuple[SeedAppointment, ...] = ()


class SeedFile(SeedRow, frozen=True):
    organizations: tuple[SeedOrganization, ...] = ()


class Tally(msgspec.Struct):
    """How many rows of each kind were created, updated, found as they should be."""

    created: dict[str, int] = {}
    updated: dict[str, int] = {}
    unchanged: dict[str, int] = {}

    def count(self, change: str, kind: str) -> None:
        counts: dict[str, int] = getattr(self, change)
        counts[kind] = counts.get(kind, 0) + 1
