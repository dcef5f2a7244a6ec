"""The services of a CRM with a call centre, beside those that everybody uses."""

from __future__ import annotations

import msgspec

from pipelines.engines import EngineRoom
from voicecore.destinations import Destinations
from voicecore.services.activities import Activities
from voicecore.services.advice import Advisor
from voicecore.services.briefing import Briefings
from voicecore.services.call_center import CallCenters
from voicecore.services.conversations import Conversations
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.secret_store import SecretStore
from voicecore.services.telephony import Telephony
from voicecore.services.text_moods import TextMoods
from voicecore.sip_options import Knocker
from voicecore.storage.database import Database


class ContactCenter(msgspec.Struct, frozen=True):
    activities: Activities
    advisor: Advisor
    moods: TextMoods
    telephony: Telephony
    figures: CallCenters


def contact_center(
    database: Database,
    secrets: SecretStore,
    destinations: Destinations,
    engines: EngineRoom,
    briefings: Briefings,
    conversations: Conversations,
    knowledge: KnowledgeBase,
) -> ContactCenter:
    return ContactCenter(
        activities=Activities(database),
        advisor=Advisor(conversations, knowledge),
        moods=TextMoods(engines, briefings),
        telephony=Telephony(database, secrets, Knocker(destinations)),
        figures=CallCenters(database),
    )
