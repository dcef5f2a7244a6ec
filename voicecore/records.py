"""One process's database and the services on it. Built by `app.py`; a call and a request get what they need of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from config.schema import ServerSettings
from voicecore.api.metrics import WriterMetrics
from voicecore.data_directory import SECRET_FILE
from voicecore.embedding import embeddings
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.analyses import Analyses
from voicecore.services.appointments import Appointments
from voicecore.services.businesses import Businesses
from voicecore.services.call_log import CallLog
from voicecore.services.calls import Calls
from voicecore.services.concurrency import Concurrency
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.login_guard import LoginGuard
from voicecore.services.operator import database_is_ours, database_url
from voicecore.services.passwords import Passwords
from voicecore.services.people import People, people
from voicecore.services.second_factors import SecondFactors
from voicecore.services.secret_store import SecretStore, master_keys
from voicecore.services.tokens import Tokens, load_secret
from voicecore.services.windows import Windows
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer


class Records(msgspec.Struct, frozen=True):
    """The database and the services on it."""

    database: Database
    call_log: CallLog
    accounts: Accounts
    people: People
    secrets: SecretStore
    agents: Agents
    analyses: Analyses
    concurrency: Concurrency
    businesses: Businesses
    calls: Calls
    appointments: Appointments
    knowledge: KnowledgeBase
    tokens: Tokens
    windows: Windows


async def open_records(
    settings: ServerSettings, data: Path, node: str, registry: CollectorRegistry, stack: contextlib.AsyncExitStack
) -> Records:
    database = await Database.open(database_url(settings), alone=database_is_ours(settings))
    stack.push_async_callback(database.close)
    writer = Writer(database)
    writer.start()
    stack.push_async_callback(writer.stop)
    registry.register(WriterMetrics(writer))
    passwords = Passwords()
    stack.callback(passwords.close)
    tokens = Tokens(
        load_secret(data / SECRET_FILE),
        access_s=settings.auth.access_token_s,
        refresh_s=settings.auth.refresh_token_s,
    )
    secrets = SecretStore(database, master_keys(settings))
    second_factors = SecondFactors(database, secrets, passwords)
    windows = Windows(settings.limits_url)
    stack.push_async_callback(windows.close)
    guard = LoginGuard(windows if settings.limits == "documented" else None)
    accounts = Accounts(database, passwords, tokens, second_factors, guard)
    knowledge = KnowledgeBase(database, await embeddings(settings.knowledge.embedding, secrets, database))
    stack.push_async_callback(knowledge.close)
    return Records(
        database=database,
        call_log=CallLog(writer, node=node),
        accounts=accounts,
        people=people(database, passwords, accounts, second_factors),
        secrets=secrets,
        agents=Agents(database),
        analyses=Analyses(database),
        concurrency=Concurrency(database),
        businesses=Businesses(database),
        calls=Calls(database),
        appointments=Appointments(database),
        knowledge=knowledge,
        tokens=tokens,
        windows=windows,
    )
