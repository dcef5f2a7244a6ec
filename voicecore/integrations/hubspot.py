"""HubSpot: contacts by number, calls as engagements that are associated with them.

OAuth: https://developers.hubspot.com/docs/api-reference/auth-oauth-v3/guide, and for revoking
https://developers.hubspot.com/docs/api-reference/latest/authentication/oauth-tokens/revoke-token
Contacts and their search: https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide,
https://developers.hubspot.com/docs/api-reference/search/guide
Calls: https://developers.hubspot.com/docs/api-reference/crm-calls-v3/guide
"""

from __future__ import annotations

from typing import Any

from config.crms import HubspotSettings
from voicecore.domain import phone
from voicecore.domain.integrations import CrmRecord, CrmRefused, CrmUnavailable, Grant, PushedCall
from voicecore.integrations.http import Access, Answer, CrmHttp
from voicecore.integrations.oauth import ClientApp, OauthClient, OauthEndpoints
from voicecore.services.crm_vendors import Leave

SCOPE = "crm.objects.contacts.read crm.objects.contacts.write"
CALL_TO_CONTACT = 194  # HubSpot's own type of this association
LONGEST_TEXT = 60000  # characters; the limit is 65,536 with markup
CANDIDATES = 50
# What HubSpot derives of a number for searching it has no country code.
NUMBERS = ("phone", "mobilephone", "hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")


class Hubspot:
    """Implements `Vendor` and `Crm`."""

    by_instance = False

    def __init__(self, settings: HubspotSettings, app: ClientApp, http: CrmHttp) -> None:
        self._api = settings.api_url.rstrip("/")
        endpoints = OauthEndpoints(
            authorize_url=settings.login_url.rstrip("/") + "/oauth/authorize",
            token_url=f"{self._api}/oauth/v3/token",
            revoke_url=f"{self._api}/oauth/2026-03/token/revoke",
        )
        self._oauth = OauthClient(app, endpoints, http)
        self._http = http

    # --- OAuth ----------------------------------------------------------------------------------------

    def login_page(self, leave: Leave) -> str:
        return self._oauth.login_page(leave, SCOPE, {})

    async def exchange(self, code: str, verifier: str, redirect_uri: str, instance_url: str) -> Grant:
        return (await self._oauth.exchange(code, verifier, redirect_uri, {}))[0]

    async def refresh(self, refresh_token: str, instance_url: str) -> Grant:
        return (await self._oauth.refresh(refresh_token, {}))[0]

    async def revoke(self, refresh_token: str) -> None:
        await self._oauth.revoke(refresh_token)

    # --- records --------------------------------------------------------------------------------------

    async def find(self, access: Access, call: PushedCall) -> CrmRecord | None:
        """Of several the oldest. The search compares the end of the number, we the whole of it."""
        ending = f"*{phone.tail(call.number)}"
        found = await self._search(
            access,
            "contacts",
            {
                "filterGroups": [{"filters": [_filter(name, "CONTAINS_TOKEN", ending)]} for name in NUMBERS],
                "properties": list(NUMBERS[:2]),
                "sorts": [{"propertyName": "createdate", "direction": "ASCENDING"}],
                "limit": CANDIDATES,
            },
        )
        for row in found:
            known = row.get("properties") or {}
            if any(phone.same_number(known.get(name) or "", call.number) for name in NUMBERS[:2]):
                return CrmRecord(id=row["id"], kind="contact")
        return None

    async def create(self, access: Access, call: PushedCall) -> CrmRecord:
        first, last = call.names
        properties = {"firstname": first, "lastname": last, "phone": call.number}
        made = await self._post(access, "contacts", {"properties": properties})
        return CrmRecord(id=made, kind="contact", created=True)

    async def log_call(self, access: Access, call: PushedCall, record: CrmRecord, *, again: bool) -> str:
        """`hs_call_external_id` carries our id of the call, so that another attempt finds what a lost answer left
        behind."""
        if again:
            known = [_filter("hs_call_external_id", "EQ", call.call_uid)]
            found = await self._search(access, "calls", {"filterGroups": [{"filters": known}], "limit": 1})
            if found:
                return str(found[0]["id"])
        ours, theirs = call.our_number, call.number
        status = "FAILED" if call.failed else "COMPLETED" if call.answered else "NO_ANSWER"
        properties = {
            "hs_timestamp": call.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "hs_call_title": call.subject,
            "hs_call_body": call.text[:LONGEST_TEXT],
            "hs_call_direction": "OUTBOUND" if call.outgoing else "INBOUND",
            "hs_call_duration": str(round(call.duration_s * 1000)),  # milliseconds
            "hs_call_from_number": ours if call.outgoing else theirs,
            "hs_call_to_number": theirs if call.outgoing else ours,
            "hs_call_status": status,
            "hs_call_external_id": call.call_uid,
        }
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": CALL_TO_CONTACT}
        associations = [{"to": {"id": record.id}, "types": [kind]}]
        return await self._post(access, "calls", {"properties": properties, "associations": associations})

    async def _search(self, access: Access, name: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        url = f"{self._api}/crm/v3/objects/{name}/search"
        answer = _checked(await self._http.with_token(access, "POST", url, json=wanted))
        found = answer.body.get("results") if isinstance(answer.body, dict) else None
        if not isinstance(found, list):
            raise CrmUnavailable("HubSpot's answer has no results")
        return [row for row in found if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def _post(self, access: Access, name: str, record: dict[str, Any]) -> str:
        given = {field: value for field, value in record["properties"].items() if value != ""}
        url = f"{self._api}/crm/v3/objects/{name}"
        made = _checked(await self._http.with_token(access, "POST", url, json=record | {"properties": given}))
        if not made.member("id"):
            raise CrmUnavailable("HubSpot's answer has no id")
        return made.member("id")


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _checked(answer: Answer) -> Answer:
    """Errors are {status, message, correlationId, category}. Raises CrmRefused."""
    if answer.good:
        return answer
    raise CrmRefused(f"{answer.status} {answer.member('category')}: {answer.member('message')}".rstrip(": "))
