"""Every operation of every surface under generated requests: no crash, and nothing that its document does not say."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest
import schemathesis
from api_server import Server
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
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
            if not operation.path.endswith("/logout"):  # the token is needed for the others
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
        self.statuses[case.call_and_validate(headers=self.headers, checks=CHECKS).status_code] += 1


@pytest.mark.parametrize("root", ["", "/receptionist"])
async def test_nothing_happens_that_the_document_does_not_say(server: Server, root: str) -> None:
    desk = await register(server)
    client = await desk.client()
    known = {"client_id": client["id"], "call_id": (await desk.log(client["id"]))["id"]}
    if not root:
        known = {"agent_id": "agent_1", "call_id": "call_1"}
    token = desk.token if root else (await server.login("ada@one.example", "ada-password"))["access_token"]
    spec = await (await server.client.get(f"{root}/openapi.json")).json()
    base_url = str(server.client.make_url(root)).rstrip("/")
    attack = Attack(spec, base_url, str(token), known)
    await asyncio.to_thread(attack.run)
    statuses = attack.statuses
    assert statuses.total() > len(spec["paths"]) * EXAMPLES
    assert statuses[200] > EXAMPLES  # they do not all bounce off
    assert statuses[400 if root else 422] > EXAMPLES
    assert statuses[404] > 0
