"""Everything about CRMs that one process has, put together."""

from __future__ import annotations

import msgspec

from config.crms import IntegrationSettings
from voicecore.destinations import Destinations
from voicecore.integrations.courier import CrmCourier
from voicecore.integrations.http import CrmHttp
from voicecore.integrations.vendors import vendors
from voicecore.services.authorization_states import AuthorizationStates
from voicecore.services.call_file import CallFile
from voicecore.services.crm_sync import CrmSync
from voicecore.services.crm_tokens import CrmTokens
from voicecore.services.integrations import Integrations
from voicecore.services.secret_store import SecretStore
from voicecore.services.tokens import Tokens
from voicecore.storage.database import Database


class CrmOffice(msgspec.Struct, frozen=True):
    integrations: Integrations
    sync: CrmSync
    courier: CrmCourier


def crm_office(
    settings: IntegrationSettings,
    database: Database,
    tokens: Tokens,
    secrets: SecretStore,
    *,
    allow_private: bool,
) -> CrmOffice:
    """`allow_private`: vendors may be in our own network and without TLS, as those of developers are. Raises
    ConfigError."""
    destinations = Destinations(allow_private=allow_private)
    http = CrmHttp(destinations)
    crms = vendors(settings, secrets, http)
    states = AuthorizationStates(tokens)
    kept = CrmTokens(database, secrets, crms)
    integrations = Integrations(database, states, kept, crms, destinations.check, plain=allow_private)
    sync = CrmSync(database, CallFile(database))
    return CrmOffice(integrations, sync, CrmCourier(sync, kept, crms, http))
