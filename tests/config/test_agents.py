from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from config.agents import load_agent, parse_hours, shipped_agents
from config.errors import ConfigError

GOOD = """
id: a
name: A
company: {name: C, timezone: Europe/Berlin}
config: {greeting: "Hello from {company_name}"}
services: [{name: Checkup, minutes: 30}]
opening_hours: {mon: "09:00-12:00, 13:00-18:00", sun: closed}
knowledge: [{title: T, content: Text}]
"""


def test_the_shipped_agents_load() -> None:
    agents = {agent.id: agent for agent in shipped_agents()}
    assert set(agents) == {"receptionist", "order_desk", "empfang"}
    assert all(len(agent.knowledge) >= 8 for agent in agents.values())


def test_a_good_file_loads(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD)
    agent = load_agent(file)
    assert parse_hours(agent.opening_hours, source="a") == [
        (0, time(9), time(12)),
        (0, time(13), time(18)),
    ]
    assert agent.config.greeting == "Hello from {company_name}"  # stays raw


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("Europe/Berlin", "Europe/Bielefeld", "company.timezone"),
        ("Europe/Berlin", "../etc", "company.timezone"),
        ("{company_name}", "{compny_name}", "config.greeting"),
        ("{company_name}", "{", "config.greeting"),
        ("13:00-18:00", "11:00-18:00", "opening_hours.mon"),
        ("13:00-18:00", "18:00-13:00", "opening_hours.mon"),
        ("13:00-18:00", "afternoon", "opening_hours.mon"),
        ("sun:", "someday:", "opening_hours.someday"),
        ("minutes: 30", "minutes: 2", "services[0].minutes"),
        ("[{name: Checkup, minutes: 30}]", "[{name: X, minutes: 30}, {name: x, minutes: 5}]", "services[1].name"),
        ("id: a", "id: 'A b'", "id"),
        ("name: A\n", "name: A\ncolour: red\n", "colour"),
    ],
)
def test_what_is_wrong_is_refused_with_file_key_and_reason(tmp_path: Path, old: str, new: str, key: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as refused:
        load_agent(file)
    assert refused.value.source == str(file)
    assert refused.value.key == key
    assert refused.value.reason
