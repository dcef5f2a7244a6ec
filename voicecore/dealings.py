"""The services around customers and clients that need more than the database: built once per process by `app.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from pipelines.engines import EngineRoom
from voicecore.api.links import Links
from voicecore.api.vocaliq.auth import SURFACE as VOCALIQ
from voicecore.api.vocaliq.payloads import Payloads
from voicecore.chores import Chores
from voicecore.courier import Courier
from voicecore.destinations import Destinations
from voicecore.machine import Machine
from voicecore.records import Records
from voicecore.services.audio_desk import AudioDesk
from voicecore.services.briefing import Briefings
from voicecore.services.conversations import Conversations
from voicecore.services.customer_file import CustomerFile
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.monitoring import Monitoring
from voicecore.services.organizations import Organizations
from voicecore.services.privacy import Privacy
from voicecore.services.secret_store import SecretStore
from voicecore.services.webhooks import Webhooks

AUDIO, EXPORTS = "audio", "exports"  # in the data directory


class Dealings(msgspec.Struct, frozen=True):
    organizations: Organizations
    customers: CustomerFile
    knowledge: KnowledgeBase
    audio: AudioDesk
    conversations: Conversations
    webhooks: Webhooks
    privacy: Privacy
    monitoring: Monitoring
    machine: Machine
    chores: Chores
    courier: Courier


def dealings(
    records: Records,
    engines: EngineRoom,
    briefings: Briefings,
    secrets: SecretStore,
    data: Path,
    recordings: Path,
    *,
    allow_private: bool,
    public_url: str,
    base: Callable[[], str],
) -> Dealings:
    """`allow_private`: webhooks may lead into our own network. `base` is how links begin without a public URL."""
    database = records.database
    audio = AudioDesk(database, engines, briefings, data / AUDIO)
    privacy = Privacy(database, recordings, data / AUDIO, data / EXPORTS)
    destinations = Destinations(allow_private=allow_private)
    webhooks = Webhooks(database, secrets, destinations.check)
    links = Links(records.tokens, public_url)
    envoys = {VOCALIQ: Payloads(records.calls, records.appointments, links, base)}
    courier = Courier(webhooks, envoys, destinations)
    return Dealings(
        organizations=Organizations(database),
        customers=CustomerFile(database),
        knowledge=records.knowledge,
        audio=audio,
        conversations=Conversations(database, engines, briefings, records.appointments, records.knowledge, audio),
        webhooks=webhooks,
        privacy=privacy,
        monitoring=Monitoring(database),
        machine=Machine(data),
        chores=Chores(courier, privacy, audio),
        courier=courier,
    )
