"""Operations of the document that are not served yet: who may ask is told so."""

from __future__ import annotations

from voicecore.api.kit import Route, not_yet
from voicecore.api.portal.words import BASE
from voicecore.domain.accounts import Permission

P = Permission
LATER: tuple[tuple[str, str, str, Permission | None], ...] = (
    ("GET", "/customers/{id}/journey", "Customers", P.JOURNEY_VIEW),
    ("PUT", "/customers/{id}/journey/stage", "Customers", P.JOURNEY_MANAGE),
    ("GET", "/goals", "Goals", P.GOALS_VIEW),
    ("POST", "/goals", "Goals", P.GOALS_MANAGE),
    ("POST", "/goals/{id}/update-progress", "Goals", P.GOALS_MANAGE),
    ("GET", "/goals/{id}/metrics", "Goals", P.GOALS_VIEW),
    ("GET", "/goals/{id}/achievements", "Goals", P.GOALS_VIEW),
    ("GET", "/customer-journey/stages", "Customer journey", P.JOURNEY_VIEW),
    ("PUT", "/customer-journey/stages/{stage_key}", "Customer journey", P.JOURNEY_MANAGE),
    ("GET", "/customer-journey/analytics", "Customer journey", P.JOURNEY_VIEW),
    ("GET", "/billing", "Billing", P.BILLING_VIEW),
    ("GET", "/billing/invoices", "Billing", P.BILLING_VIEW),
    ("POST", "/billing/topup", "Billing", P.BILLING_MANAGE),
)


class LaterHandlers:
    def routes(self) -> list[Route]:
        return [not_yet(method, BASE + path, tag, permission=permission) for method, path, tag, permission in LATER]


def is_later(path: str) -> bool:
    """Is nothing of this path served yet?"""
    return any(path == later for _, later, _, _ in LATER)
