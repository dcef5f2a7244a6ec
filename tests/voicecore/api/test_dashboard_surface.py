"""Document 001 as a whole: every operation that it names is served."""

from __future__ import annotations

import re

from api_server import Server

OPERATIONS = """
POST auth/register, POST auth/login, POST auth/logout, GET auth/me, GET settings, PUT settings, POST translate,
GET salesforce/oauth/initiate, GET salesforce/oauth/callback, GET salesforce/status, DELETE salesforce/disconnect,
GET salesforce/sync-logs, GET hubspot/oauth/initiate, GET hubspot/oauth/callback, GET hubspot/status,
DELETE hubspot/disconnect, GET hubspot/sync-logs, GET dynamics/oauth/initiate, GET dynamics/oauth/callback,
GET dynamics/status, DELETE dynamics/disconnect, GET dynamics/sync-logs, GET workspaces, POST workspaces,
GET twilio/phone-numbers, GET assistants, POST assistants, POST webhooks, GET webhooks, POST outbound-webhooks,
GET outbound-webhooks, GET webhook-calls, GET active-calls, GET concurrent-calls, GET concurrent-calls/timeseries,
GET dashboard-summary, GET agent-distribution, GET call-ended-reasons, GET keywords, GET intent-analysis,
GET appointments, GET addons, POST addons/toggle, GET cache/stats, GET admin/dashboard, GET admin/users
"""
OPEN = {"auth/register", "auth/login", "salesforce/oauth/callback", "hubspot/oauth/callback", "dynamics/oauth/callback"}


async def test_every_operation_of_the_document_is_served_and_protected_as_it_says(server: Server) -> None:
    spec = await (await server.client.get("/dashboard/openapi.json")).json()
    wanted = [operation.split() for operation in re.split(r",\s+", OPERATIONS.strip())]
    assert len(wanted) == 46
    for method, path in wanted:
        operation = spec["paths"][f"/api/{path}"][method.lower()]
        assert "200" in operation["responses"], path
        assert operation["summary"] != "Not available yet: 503"
        assert ("security" not in operation) == (path in OPEN), path
        if path not in OPEN:
            refused = await server.client.request(method, f"/dashboard/api/{path}", json={})
            assert refused.status == 401, path
            assert list(await refused.json()) == ["error"]
    assert "post" in spec["paths"]["/webhook/{token}"]
