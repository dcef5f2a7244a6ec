"""What a route does, in the words of the trail, and what of a request stays on record."""

from __future__ import annotations

import pytest

from voicecore.domain.audit import LONGEST, MOST, REDACTED, Risk, deed, kept


@pytest.mark.parametrize(
    ("method", "path", "action", "model", "risk"),
    [
        ("PUT", "/api/v2/portal/settings", "settings.updated", "settings", Risk.MEDIUM),
        ("POST", "/api/v2/portal/team/invite", "team_member.invite", "team_member", Risk.HIGH),
        ("DELETE", "/api/v2/portal/team/{id}", "team_member.deleted", "team_member", Risk.HIGH),
        ("POST", "/api/v2/portal/appointments", "appointment.created", "appointment", Risk.LOW),
        ("POST", "/api/v2/portal/appointments/{id}/cancel", "appointment.cancel", "appointment", Risk.MEDIUM),
        ("POST", "/api/v2/portal/security/2fa/enable", "two_factor.enable", "two_factor", Risk.HIGH),
        ("DELETE", "/api/v2/portal/security/sessions/{id}", "session.deleted", "session", Risk.HIGH),
        ("POST", "/api/v2/portal/auth/logout", "session.logout", "session", Risk.HIGH),
        ("POST", "/api/v2/portal/audit-logs/export", "audit_log.export", "audit_log", Risk.MEDIUM),
        ("PUT", "/api/v1/agents/{agent_id}", "agent.updated", "agent", Risk.MEDIUM),
        ("POST", "/api/v1/gdpr/delete", "privacy_request.delete", "privacy_request", Risk.HIGH),
        ("DELETE", "/api/clients/{client_id}", "client.deleted", "client", Risk.HIGH),
        ("POST", "/api/outbound-webhooks", "outbound_webhook.created", "outbound_webhook", Risk.MEDIUM),
    ],
)
def test_a_route_is_a_deed(method: str, path: str, action: str, model: str, risk: Risk) -> None:
    assert deed(method, path) == (action, model, risk)


def test_secrets_are_not_kept_wherever_they_are() -> None:
    sent = {
        "secret": "a",
        "openaiApiKey": "b",
        "privateKey": "c",
        "nested": {"password": "d", "list": [{"refresh_token": "e", "name": "f"}]},
        "two_factor_code": "1",
    }
    assert kept("settings", sent) == {
        "secret": REDACTED,
        "openaiApiKey": REDACTED,
        "privateKey": REDACTED,
        "nested": {"password": REDACTED, "list": [{"refresh_token": REDACTED, "name": "f"}]},
        "two_factor_code": REDACTED,
    }


def test_of_persons_only_the_names_of_members_are_kept() -> None:
    assert kept("customer", {"name": "Max", "email": "max@example.com"}) == {"name": None, "email": None}


def test_what_is_kept_is_bounded() -> None:
    deep: dict[str, object] = {"x": 1}
    for _ in range(50):
        deep = {"x": deep}
    found = kept("settings", {"text": "ä" * 10_000, "many": list(range(10_000)), "deep": deep})
    assert len(found["text"]) == LONGEST
    assert len(found["many"]) == MOST
    assert str(found["deep"]).count("{") < 10
