"""The part of the surface about the company's trade: home, calls, appointments, customers, analytics, exports."""

from __future__ import annotations

from voicecore.api.kit import Route
from voicecore.api.links import Links
from voicecore.api.portal.analytics import AnalyticsHandlers
from voicecore.api.portal.appointments import AppointmentHandlers
from voicecore.api.portal.calls import CallHandlers
from voicecore.api.portal.customers import CustomerHandlers
from voicecore.api.portal.dashboard import DashboardHandlers
from voicecore.api.portal.downloads import DownloadHandlers
from voicecore.api.portal.lookups import Lookups
from voicecore.api.portal.paging import Pager
from voicecore.api.portal.report import ReportHandlers
from voicecore.dealings import Dealings
from voicecore.records import Records
from voicecore.services.activities import Activities
from voicecore.services.activity_feed import ActivityFeed
from voicecore.services.call_file import CallFile
from voicecore.services.customer_profiles import CustomerProfiles
from voicecore.services.directory import Directory
from voicecore.services.front_desk import FrontDesk
from voicecore.services.trading import Trading


class BusinessHandlers:
    def __init__(self, records: Records, dealings: Dealings, links: Links, pager: Pager) -> None:
        database = records.database
        lookups = Lookups(Directory(database), records.accounts)
        trading = Trading(database)
        downloads = DownloadHandlers(dealings.downloads, links)
        analytics = AnalyticsHandlers(trading, records.analyses, lookups)
        desk = FrontDesk(database, records.appointments)
        self._parts = (
            DashboardHandlers(trading, ActivityFeed(database), lookups),
            CallHandlers(CallFile(database), lookups, pager, links, downloads),
            AppointmentHandlers(desk, records.appointments, dealings.customers, lookups, pager),
            CustomerHandlers(CustomerProfiles(database), dealings.customers, Activities(database), pager),
            analytics,
            ReportHandlers(analytics, trading, downloads),
            downloads,
        )

    def routes(self) -> list[Route]:
        return [route for part in self._parts for route in part.routes()]
