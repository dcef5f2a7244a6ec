"""Every CRM there is an adapter for, with our app at its vendor."""

from __future__ import annotations

from config.crms import IntegrationSettings
from pipelines.secrets import Store
from voicecore.domain.integrations import CrmKind
from voicecore.integrations.dynamics import Dynamics
from voicecore.integrations.http import CrmHttp
from voicecore.integrations.hubspot import Hubspot
from voicecore.integrations.oauth import ClientApp
from voicecore.integrations.salesforce import Salesforce


def vendors(
    settings: IntegrationSettings, store: Store, http: CrmHttp
) -> dict[CrmKind, Salesforce | Hubspot | Dynamics]:
    """Raises ConfigError for a secret that says not where it is."""

    def app(kind: CrmKind) -> ClientApp:
        ours = getattr(settings, kind.value)
        return ClientApp(kind.value, ours.client_id, ours.client_secret, store)

    return {
        CrmKind.SALESFORCE: Salesforce(settings.salesforce, app(CrmKind.SALESFORCE), http),
        CrmKind.HUBSPOT: Hubspot(settings.hubspot, app(CrmKind.HUBSPOT), http),
        CrmKind.DYNAMICS: Dynamics(settings.dynamics, app(CrmKind.DYNAMICS), http),
    }
