"""A data directory with as many finished and analysed calls as an organization has after some years, in bulk."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from config.schema import ServerSettings
from pipelines.events import EndReason
from pipelines.timing import Mark
from pipelines.usage import Usage, Used
from voicecore.data_directory import SECRET_FILE, data_ready
from voicecore.domain import instants
from voicecore.domain.accounts import Device
from voicecore.domain.analyses import Analysis, Keyword
from voicecore.domain.calls import Call, CallStatus, Direction, Outcome, Sentiment, StoredTurn
from voicecore.domain.ids import new_uid
from voicecore.services.accounts import Accounts
from voicecore.services.concurrency import Concurrency
from voicecore.services.operator import database_url
from voicecore.services.passwords import Passwords
from voicecore.services.second_factors import SecondFactors
from voicecore.services.secret_store import SecretStore, master_keys
from voicecore.services.tokens import Tokens, load_secret
from voicecore.storage import agents as agent_rows
from voicecore.storage import analyses, tenants
from voicecore.storage import calls as call_rows
from voicecore.storage.database import Database
from voicecore.storage.schema import calls, turns, users

AT_ONCE = 5000
DAYS = 365
SESSION_S = 86400
INTENTS = ["book_appointment", "ask_question", "cancel_appointment", "talk_to_human", "other"]
KEYWORDS = [f"word{number}" for number in range(300)]
USED: Usage = {
    "deepgram/nova-3": Used(heard_s=61.5, cost_microusd=4400),
    "openai/gpt-4o-mini": Used(input_tokens=2100, output_tokens=180, cost_microusd=420),
    "openai/tts-1": Used(spoken_characters=640, spoken_s=44.0, cost_microusd=9600),
}


async def prepare(settings: ServerSettings, number: int, surfaces: list[str]) -> dict[str, str]:
    """The demo organization with `number` calls over the last year, one turn each; a living access token by surface."""
    async with data_ready(settings):
        pass
    database = await Database.open(database_url(settings))
    passwords = Passwords()
    try:
        tokens = Tokens(load_secret(Path(settings.data) / SECRET_FILE))
        factors = SecondFactors(database, SecretStore(database, master_keys(settings)), passwords)
        accounts = Accounts(database, passwords, tokens, factors)
        async with database.read() as connection:
            email = (await connection.execute(sa.select(users.c.email).limit(1))).scalar_one()
            user = await tenants.user_by_email(connection, email)
            assert user is not None  # the demo's administrator
            membership = (await tenants.memberships_of(connection, user.uid))[0]
        await _fill(database, membership.organization_uid, number)
        counting = Concurrency(database)
        while await counting.step():  # as chores have done long before
            pass
        return {
            name: (await accounts.opened(user, membership, name, SESSION_S, Device(), None)).access_token
            for name in surfaces
        }
    finally:
        passwords.close()
        await database.close()


async def _fill(database: Database, organization_uid: str, number: int) -> None:
    chance = random.Random(7)
    async with database.read() as connection:
        agent = (await agent_rows.of_organization(connection, organization_uid))[0]
    now = instants.now()
    for begin in range(0, number, AT_ONCE):
        rows, spoken, made = [], [], []
        for index in range(begin, min(number, begin + AT_ONCE)):
            at = now - timedelta(seconds=chance.random() * DAYS * 86400)
            length_s = chance.uniform(10, 600)
            call = Call(
                uid=new_uid(),
                organization_uid=organization_uid,
                external_id=f"stored_{index}",
                direction=Direction.INBOUND if index % 3 else Direction.OUTBOUND,
                status=CallStatus.ENDED,
                from_number=f"+4930{chance.randrange(10**7):07}",
                to_number="+49309876543",
                agent_uid=agent.uid,
                agent_id=agent.external_id,
                agent_version=agent.version,
                business_uid=agent.business_uid,
                end_reason=EndReason.CALLER_HANGUP,
                outcome=Outcome.COMPLETED if index % 5 else Outcome.FAILED,
                sentiment=chance.choice(list(Sentiment)),
                usage=USED,
                stt_ms=chance.uniform(50, 300),
                llm_ms=chance.uniform(100, 900),
                tts_ms=chance.uniform(50, 300),
                created_at=at,
                answered_at=at,
                ended_at=at + timedelta(seconds=length_s),
            )
            marks = {Mark.SPEECH_END: 800.0, Mark.FIRST_FRAME: 800.0 + chance.uniform(300, 1500)}
            said = ("are you open today", "yes, until six", "yes, until six")
            keywords = tuple(
                Keyword(keyword=word, sentiment=chance.choice(list(Sentiment)), score=chance.uniform(-1, 1))
                for word in chance.sample(KEYWORDS, 2)
            )
            intent = chance.choice(INTENTS)
            made.append((call, _analysis(call, intent, keywords)))
            turn = StoredTurn(0, 0.0, 4000.0, *said, marks=marks, uid=new_uid(), call_uid=call.uid)
            rows.append(call_rows.call_row(call))
            spoken.append(call_rows.turn_row(turn))
        async with database.append() as connection:
            await call_rows.insert_many(connection, calls, rows)
            await call_rows.insert_many(connection, turns, spoken)
            await analyses.store(connection, made)


def _analysis(call: Call, intent: str, keywords: tuple[Keyword, ...]) -> Analysis:
    return Analysis(
        uid=new_uid(),
        organization_uid=call.organization_uid,
        call_uid=call.uid,
        intent=intent,
        keywords=keywords,
        created_at=call.created_at,
    )
