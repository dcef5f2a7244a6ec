"""The services around customers and clients that need more than the database: built once per process by `app.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from config.crms import IntegrationSettings
from pipelines.engines import EngineRoom
from voicecore.api.crm.auth import SURFACE as CRM
from voicecore.api.crm.payloads import Payloads as CrmPayloads
from voicecore.api.dashboard import payloads as dashboard
from voicecore.api.dashboard.auth import SURFACE as DASHBOARD
from voicecore.api.links import Links
from voicecore.api.portal.auth import SURFACE as PORTAL
from voicecore.api.portal.payloads import Payloads as PortalPayloads
from voicecore.api.vocaliq.auth import SURFACE as VOCALIQ
from voicecore.api.vocaliq.payloads import Payloads
from voicecore.chores import Chores
from voicecore.contact_center import ContactCenter, contact_center
from voicecore.courier import Courier, Envoy
from voicecore.destinations import Destinations
from voicecore.integrations.office import CrmOffice, crm_office
from voicecore.machine import Machine
from voicecore.records import Records
from voicecore.services.analyst import Analyst
from voicecore.services.assistants import Assistants
from voicecore.services.audio_desk import AudioDesk
from voicecore.services.briefing import Briefings
from voicecore.services.conversations import Conversations
from voicecore.services.customer_file import CustomerFile
from voicecore.services.downloads import Downloads
from voicecore.services.inbound import Inbound
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.monitoring import Monitoring
from voicecore.services.organizations import Organizations
from voicecore.services.outbound import Outbound
from voicecore.services.platform import Platform
from voicecore.services.privacy import Privacy
from voicecore.services.retention import Retention
from voicecore.services.secret_store import SecretStore
from voicecore.services.shelf import Shelf
from voicecore.services.transfers import Transfers
from voicecore.services.translation import Translation
from voicecore.services.upkeep import Upkeep
from voicecore.services.webhooks import Webhooks
from voicecore.services.workspaces import Workspaces

AUDIO, EXPORTS, DOWNLOADS = "audio", "exports", "downloads"  # in the data directory

DEFAULT_INTEGRATIONS = IntegrationSettings()


class Dealings(msgspec.Struct, frozen=True):
    organizations: Organizations
    workspaces: Workspaces
    assistants: Assistants
    inbound: Inbound
    translation: Translation
    platform: Platform
    shelf: Shelf
    customers: CustomerFile
    knowledge: KnowledgeBase
    audio: AudioDesk
    conversations: Conversations
    webhooks: Webhooks
    privacy: Privacy
    retention: Retention
    downloads: Downloads
    monitoring: Monitoring
    machine: Machine
    outbound: Outbound
    transfers: Transfers
    chores: Chores
    analyst: Analyst
    courier: Courier
    crm: CrmOffice
    contact_center: ContactCenter


def dealings(
    records: Records,
    engines: EngineRoom,
    briefings: Briefings,
    secrets: SecretStore,
    data: Path,
    recordings: Path,
    outbound: Outbound,
    transfers: Transfers,
    *,
    allow_private: bool,
    public_url: str,
    base: Callable[[], str],
    integrations: IntegrationSettings = DEFAULT_INTEGRATIONS,
) -> Dealings:
    """`allow_private`: webhooks may lead into our own network. `base` is how links begin without a public URL."""
    database = records.database
    audio = AudioDesk(database, engines, briefings, data / AUDIO)
    downloads = Downloads(data / DOWNLOADS)
    privacy = Privacy(database, recordings, data / AUDIO, data / EXPORTS, downloads)
    retention = Retention(database, recordings)
    analyst = Analyst(database, engines)
    destinations = Destinations(allow_private=allow_private)
    webhooks = Webhooks(database, secrets, destinations.check)
    links = Links(records.tokens, public_url)
    organizations, shelf = Organizations(database), Shelf()
    envoys: dict[str, Envoy] = {
        VOCALIQ: Payloads(records.calls, records.appointments, links, base),
        PORTAL: PortalPayloads(records.calls, records.appointments),
        DASHBOARD: dashboard.Payloads(records.calls, records.agents, records.analyses, links, base),
        CRM: CrmPayloads(records.calls, organizations),
    }
    courier = Courier(webhooks, envoys, destinations)
    conversations = Conversations(database, engines, briefings, records.appointments, records.knowledge, audio)
    crm = crm_office(integrations, database, records.tokens, secrets, allow_private=allow_private)
    return Dealings(
        organizations=organizations,
        workspaces=Workspaces(database, secrets, organizations),
        assistants=Assistants(database, engines, shelf),
        inbound=Inbound(database, secrets),
        translation=Translation(database, engines, briefings, shelf),
        platform=Platform(database),
        shelf=shelf,
        customers=CustomerFile(database),
        knowledge=records.knowledge,
        audio=audio,
        conversations=conversations,
        webhooks=webhooks,
        privacy=privacy,
        retention=retention,
        downloads=downloads,
        monitoring=Monitoring(database),
        machine=Machine(data),
        outbound=outbound,
        transfers=transfers,
        chores=Chores(
            *(courier, privacy, audio, analyst, records.concurrency, crm.courier, downloads, outbound, retention),
            *(records.knowledge, Upkeep(database)),
        ),
        analyst=analyst,
        courier=courier,
        crm=crm,
        contact_center=contact_center(
            database, secrets, destinations, engines, briefings, conversations, records.knowledge
        ),
    )
