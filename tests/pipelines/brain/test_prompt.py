from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from config.agents import shipped_agents
from config.schema import AgentSettings, Capabilities, Company, Personality
from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.prompt import facts_for, fill, system_message

NOW = datetime(2026, 11, 24, 10, 5, tzinfo=ZoneInfo("Europe/London"))
COMPANY = Company(name="Riverside Dental", timezone="Europe/London")


def test_the_greeting_is_filled_and_unknown_braces_stay() -> None:
    facts = facts_for(AgentSettings(), COMPANY, NOW)
    assert fill("This is {company_name}, {today}. {x}", facts) == (
        "This is Riverside Dental, Tuesday, November twenty fourth. {x}"
    )


def test_the_system_message_says_all_a_model_needs() -> None:
    settings = AgentSettings(personality=Personality("warm", ("brief",)), prompt="You love {company_name}.")
    facts = facts_for(settings, COMPANY, NOW, agent_name="Ava", caller_phone="+441")
    message = system_message(
        settings, facts, hours=[OpeningHours(0, time(9), time(18))], services=[Service("Checkup", 30)]
    )
    for part in ("Ava", "Riverside Dental", "warm", "brief", "Monday 09:00-18:00", "Checkup (30 minutes)", "+441"):
        assert part in message
    assert message.endswith("You love Riverside Dental.")
    assert "{" not in message


@pytest.mark.parametrize(
    ("able", "part"), [("appointment_booking", "book_appointment"), ("faq_answering", "search_knowledge")]
)
def test_capabilities_decide_what_is_explained(able: str, part: str) -> None:
    off = AgentSettings(capabilities=Capabilities(**{able: False}))
    assert part in system_message(AgentSettings(), facts_for(AgentSettings(), COMPANY, NOW))
    assert part not in system_message(off, facts_for(off, COMPANY, NOW))


def test_every_shipped_agent_can_be_introduced() -> None:
    for agent in shipped_agents():
        facts = facts_for(agent.config, agent.company, NOW, agent_name=agent.name)
        assert agent.company.name in fill(agent.config.greeting, facts)
        assert "{" not in system_message(agent.config, facts)
