"""One process's database and the services on it. Built by `app.py`; a call and a request get what they need of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from config.schema import ServerSettings
from voicecore.api.metrics import WriterMetrics
from voicecore.data_directory import SECRET_FILE
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments
from voicecore.services.businesses import Businesses
from voicecore.services.call_log import CallLog
from voicecore.services.calls import Calls
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.operator import database_url
from voicecore.services.passwords import Passwords
from voicecore.services.tokens import Tokens, load_secret
from voicecore.storage.database import Database
from voicecore.storage.writer import Writer


class Records(msgspec.Struct, frozen=True):
    """The database and the services on it."""

    database: Database
    call_log: CallLog
    accounts: Accounts
    agents: Agents
    businesses: Businesses
    calls: Calls
    appointments: Appointments
    knowledge: KnowledgeBase
    tokens: Tokens


async def open_records(
    settings: ServerSettings, data: Path, node: str, registry: CollectorRegistry, stack: contextlib.AsyncExitStack
) -> Records:
    database = await Database.open(database_url(settings))
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
    return Records(
        database=database,
        call_log=CallLog(writer, node=node),
        accounts=Accounts(database, passwords, tokens),
        agents=Agents(database),
        businesses=Businesses(database),
        calls=Calls(database),
        appointments=Appointments(database),
        knowledge=KnowledgeBase(database),
        tokens=tokens,
    )
