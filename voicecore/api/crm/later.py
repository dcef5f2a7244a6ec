"""The operations of the document that have nothing to do with calls, and are not served yet."""

from __future__ import annotations

from voicecore.api.kit import Auth, Route, not_yet
from voicecore.domain.accounts import Permission

READ, WRITE = Permission.READ, Permission.BOOK


def routes() -> list[Route]:
    return [*_leads_and_deals(), *_support(), *_finance()]


def _leads_and_deals() -> list[Route]:
    leads, deals, insights = "Leads", "Deals", "Predictive analytics"
    return [
        not_yet("GET", "/api/leads", leads, permission=READ),
        not_yet("POST", "/api/leads", leads, permission=WRITE, limit="write"),
        not_yet("PUT", "/api/leads/{id}", leads, permission=WRITE, limit="write"),
        not_yet("DELETE", "/api/leads/{id}", leads, permission=WRITE, limit="write"),
        not_yet("POST", "/api/leads/{id}/score", leads, permission=WRITE, limit="ai"),
        not_yet("POST", "/api/ai/score-all-leads", leads, permission=WRITE, limit="bulk"),
        not_yet("GET", "/api/kanban/board", deals, permission=READ),
        not_yet("PUT", "/api/kanban/deals/{deal_id}/move", deals, permission=WRITE, limit="write"),
        not_yet("POST", "/api/deals", deals, permission=WRITE, limit="write"),
        not_yet("POST", "/api/deals/{id}/watchers", deals, permission=WRITE, limit="write"),
        not_yet("GET", "/api/forecasting-models", insights, permission=READ),
        not_yet("GET", "/api/customer-segments", insights, permission=READ),
    ]


def _support() -> list[Route]:
    tag = "Support"
    return [
        not_yet("GET", "/api/support/tickets", tag, permission=READ),
        not_yet("POST", "/api/support/tickets", tag, permission=WRITE, limit="write"),
        not_yet("POST", "/api/support/tickets/{id}/comments", tag, permission=WRITE, limit="write"),
    ]


def _finance() -> list[Route]:
    tag = "Finance"
    return [
        not_yet("GET", "/api/invoices", tag, permission=READ),
        not_yet("POST", "/api/invoices", tag, permission=WRITE, limit="write"),
        not_yet("POST", "/api/invoices/{id}/payments", tag, permission=WRITE, limit="write"),
        not_yet("GET", "/api/financial/reports/profit-loss", tag, permission=READ),
        # Stripe sends no token of ours; the path is our choice, the document has none.
        not_yet("POST", "/api/webhooks/stripe", tag, auth=Auth.NONE, permission=None, limit="write"),
    ]
