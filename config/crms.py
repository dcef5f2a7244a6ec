"""Settings of the CRMs that workspaces can be connected to."""

from __future__ import annotations

import msgspec


class CrmApp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This server as a CRM's vendor knows it: an app that was registered there."""

    client_id: str = "voicecore"  # the vendor refuses it until an app is registered and its id stands here
    client_secret: str = ""  # where it is, "env:NAME", "file:PATH" or "store:NAME"; "": an app without one

    def __repr__(self) -> str:
        """Without the secret, which somebody may have put there itself."""
        return f"{type(self).__name__}(client_id={self.client_id!r})"


class SalesforceSettings(CrmApp, frozen=True):
    login_url: str = "https://login.salesforce.com"


class HubspotSettings(CrmApp, frozen=True):
    login_url: str = "https://app.hubspot.com"
    api_url: str = "https://api.hubapi.com"


class DynamicsSettings(CrmApp, frozen=True):
    login_url: str = "https://login.microsoftonline.com"
    tenant: str = "organizations"  # whose users may connect: any organization's, or the id of one


class IntegrationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The CRMs that workspaces can be connected to."""

    salesforce: SalesforceSettings = SalesforceSettings()
    hubspot: HubspotSettings = HubspotSettings()
    dynamics: DynamicsSettings = DynamicsSettings()
