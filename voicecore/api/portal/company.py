"""The part of the surface that is about the company itself: its team, settings, security, trail, usage and webhooks."""

from __future__ import annotations

from voicecore.api.kit import Route
from voicecore.api.links import Links
from voicecore.api.portal.audit import AuditHandlers
from voicecore.api.portal.billing import BillingHandlers
from voicecore.api.portal.downloads import DownloadHandlers
from voicecore.api.portal.lookups import Lookups
from voicecore.api.portal.paging import Pager
from voicecore.api.portal.security import SecurityHandlers
from voicecore.api.portal.settings import SettingsHandlers
from voicecore.api.portal.team import TeamHandlers
from voicecore.api.portal.webhooks import WebhookHandlers
from voicecore.dealings import Dealings
from voicecore.records import Records
from voicecore.services.directory import Directory


class CompanyHandlers:
    def __init__(self, records: Records, dealings: Dealings, links: Links, pager: Pager) -> None:
        people = records.people
        lookups = Lookups(Directory(records.database), records.accounts)
        self._parts = (
            TeamHandlers(people.team, pager),
            SettingsHandlers(people.companies),
            SecurityHandlers(records.accounts, people, pager),
            AuditHandlers(people.audit, lookups, pager, DownloadHandlers(dealings.downloads, links)),
            BillingHandlers(records.calls, lookups),
            WebhookHandlers(dealings.webhooks, pager),
        )

    def routes(self) -> list[Route]:
        return [route for part in self._parts for route in part.routes()]
