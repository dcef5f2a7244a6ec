"""Every operation of every surface under generated requests: no crash, and nothing that its document does not say."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from api_server import Server
from crm_desk import PROVIDER
from crm_desk import login as crm_login
from dashboard_desk import register as board_register
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from portal_member import login as portal_login
from receptionist_desk import register
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)


def no_crash(context: Any, response: Any, case: Any) -> None:
    """503 is an answer: what is not available yet says so."""
    assert response.status_code < 500 or response.status_code == 503, response.text


CHECKS = [no_crash, status_code_conformance, content_type_conformance, response_schema_conformance]
Enter = Callable[[Server], Awaitable[tuple[str, dict[str, str]]]]
LONGEST_QUERY = 7000  # a request's first line has at most 8190 bytes; beyond that no route is found
ENDS = ("/logout", "/portal/auth/refresh")  # operations that end the token they get
EXAMPLES = 6  # requests to each operation, of each kind: some right, some wrong
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Attack:
    """Runs in a thread. `known` are ids that exist, for the right requests."""

    def __init__(self, spec: dict[str, Any], base_url: str, token: str, known: dict[str, str]) -> None:
        self.schema = schemathesis.openapi.from_dict(spec)
        self.schema.config.update(base_url=base_url)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.known = known
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        """Raises what a check found."""
        for result in self.schema.get_all_operations():
            operation = result.ok()
            if not operation.path.endswith(ENDS):  # the token is needed for the others
                self.right(operation)
                with contextlib.suppress(Unsatisfiable):  # nothing can be wrong about a request without parameters
                    self.wrong(operation)

    def right(self, operation: Any) -> None:
        @QUIET
        @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        def hold(case: Any) -> None:
            if case.method != "DELETE":
                case.path_parameters |= {k: v for k, v in self.known.items() if k in case.path_parameters}
            self.send(case)

        hold()

    def wrong(self, operation: Any) -> None:
        @QUIET
        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def hold(case: Any) -> None:
            self.send(case)

        hold()

    def send(self, case: Any) -> None:
        assume(len(urlencode(case.query or {}, doseq=True)) < LONGEST_QUERY)
        self.statuses[case.call_and_validate(headers=self.headers, checks=CHECKS).status_code] += 1


async def native(server: Server) -> tuple[str, dict[str, str]]:
    return (await server.login("ada@one.example", "ada-password"))["access_token"], {
        "agent_id": "agent_1",
        "call_id": "call_1",
    }


async def receptionist(server: Server) -> tuple[str, dict[str, str]]:
    desk = await register(server)
    client = await desk.client()
    return str(desk.token), {"client_id": client["id"], "call_id": (await desk.log(client["id"]))["id"]}


async def crm(server: Server) -> tuple[str, dict[str, str]]:
    desk = await crm_login(server)
    provider = await desk.made("/telephony/providers", PROVIDER)
    contact = (await desk.get("/contacts"))["data"][0]
    assert provider["id"] == contact["id"]  # both are "id" in a path
    return str(desk.token), {"id": str(contact["id"]), "call_id": "call_1"}


async def dashboard(server: Server) -> tuple[str, dict[str, str]]:
    board = await board_register(server)
    webhook = (await board.post("/webhooks", name="One"))["webhook"]
    await board.post("/assistants", name="One")
    return str(board.token), {"webhook_id": webhook["id"], "token": webhook["url"].rpartition("/")[2]}


async def portal(server: Server) -> tuple[str, dict[str, str]]:
    member = await portal_login(server, "ada@one.example", "ada-password")
    return str(member.token), {"id": str((await member.get("/calls"))["data"][0]["id"])}


@pytest.mark.parametrize(
    ("root", "enter"),
    [
        ("", native),
        ("/receptionist", receptionist),
        ("/crm", crm),
        ("/dashboard", dashboard),
        ("/api/v2/portal", portal),
    ],
)
async def test_nothing_happens_that_the_document_does_not_say(server: Server, root: str, enter: Enter) -> None:
    """`enter`: a token, and ids that exist."""
    token, known = await enter(server)
    spec = await (await server.client.get(f"{root}/openapi.json")).json()
    base_url = spec["servers"][0]["url"]
    attack = Attack(spec, base_url, token, known)
    await asyncio.to_thread(attack.run)
    statuses = attack.statuses
    assert statuses.total() > len(spec["paths"]) * EXAMPLES
    assert statuses[200] > EXAMPLES  # they do not all bounce off
    assert statuses[422] + statuses[400] > EXAMPLES
    assert statuses[404] > 0
