"""The services around those who use a company's data: built once per process, on one database."""

from __future__ import annotations

import msgspec

from voicecore.services.accounts import Accounts
from voicecore.services.audit import Audit
from voicecore.services.companies import Companies
from voicecore.services.passwords import Passwords
from voicecore.services.second_factors import SecondFactors
from voicecore.services.sessions import Sessions
from voicecore.services.team import Team
from voicecore.storage.database import Database


class People(msgspec.Struct, frozen=True):
    second_factors: SecondFactors
    team: Team
    sessions: Sessions
    companies: Companies
    audit: Audit


def people(database: Database, passwords: Passwords, accounts: Accounts, second_factors: SecondFactors) -> People:
    return People(
        second_factors=second_factors,
        team=Team(database, accounts, passwords, second_factors),
        sessions=Sessions(database),
        companies=Companies(database),
        audit=Audit(database),
    )
