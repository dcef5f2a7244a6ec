"""Dynamics 365: contacts and leads by number, calls as completed phone call activities, over the Dataverse Web API.

OAuth: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
Web API: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/overview (upsert, query, errors)
Activities: https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/phonecall
Rows get ids of our making, so that an attempt whose answer was lost is repeated without a second row.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from config.crms import DynamicsSettings
from voicecore.domain import phone
from voicecore.domain.integrations import CrmRecord, CrmRefused, CrmUnavailable, Grant, PushedCall
from voicecore.integrations.http import Access, Answer, CrmHttp
from voicecore.integrations.oauth import ClientApp, OauthClient, OauthEndpoints
from voicecore.services.crm_vendors import Leave

API = "/api/data/v9.2"
ODATA = {"OData-MaxVersion": "4.0", "OData-Version": "4.0"}
ONLY_NEW = {"If-None-Match": "*"}  # an upsert that makes a row and never changes one
LONGEST_TEXT = 2000  # characters of phonecall.description
LONGEST_SUBJECT, LONGEST_NUMBER, LONGEST_NAME = 200, 200, 50
CANDIDATES = 50
COMPLETED, MADE, RECEIVED = 1, 2, 4  # statecode; statuscode of an outgoing and an incoming call
CALLER, CALLED = 1, 2  # participationtypemask: sender, to-recipient
EXISTS, MISSING = 412, 404


class Dynamics:
    """Implements `Vendor` and `Crm`."""

    by_instance = True

    def __init__(self, settings: DynamicsSettings, app: ClientApp, http: CrmHttp) -> None:
        base = f"{settings.login_url.rstrip('/')}/{quote(settings.tenant)}/oauth2/v2.0"
        endpoints = OauthEndpoints(authorize_url=f"{base}/authorize", token_url=f"{base}/token")
        self._oauth = OauthClient(app, endpoints, http)
        self._http = http

    # --- OAuth ----------------------------------------------------------------------------------------

    def login_page(self, leave: Leave) -> str:
        return self._oauth.login_page(leave, _scope(leave.instance_url), {"response_mode": "query"})

    async def exchange(self, code: str, verifier: str, redirect_uri: str, instance_url: str) -> Grant:
        scope = {"scope": _scope(instance_url)}
        return (await self._oauth.exchange(code, verifier, redirect_uri, scope))[0]

    async def refresh(self, refresh_token: str, instance_url: str) -> Grant:
        return (await self._oauth.refresh(refresh_token, {"scope": _scope(instance_url)}))[0]

    async def revoke(self, refresh_token: str) -> None:
        """Microsoft has no way to end one refresh token; forgetting it is all that can be done."""

    # --- records --------------------------------------------------------------------------------------

    async def find(self, access: Access, call: PushedCall) -> CrmRecord | None:
        """A contact before a lead, and of several the oldest; only active ones. % stands for anything in `contains`
        (Web API, "Use wildcard characters in conditions"): numbers are kept as they were typed."""
        pattern = "%".join(phone.tail(call.number))
        fields = ("telephone1", "mobilephone")
        for kind in ("contact", "lead"):
            either = " or ".join(f"contains({field},'{pattern}')" for field in fields)
            condition = quote(f"statecode eq 0 and ({either})", safe="")
            query = f"$select={kind}id,{','.join(fields)}&$filter={condition}&$orderby=createdon&$top={CANDIDATES}"
            answer = _checked(await self._asked(access, "GET", f"{kind}s?{query}"))
            found = answer.body.get("value") if isinstance(answer.body, dict) else None
            if not isinstance(found, list):
                raise CrmUnavailable("Dynamics 365's answer has no value")
            for row in found:
                if any(phone.same_number(row.get(field) or "", call.number) for field in fields):
                    return CrmRecord(id=str(row[f"{kind}id"]), kind=kind)
        return None

    async def create(self, access: Access, call: PushedCall) -> CrmRecord:
        first, last = call.names
        lead = str(uuid.uuid5(uuid.UUID(call.log_uid), "lead"))
        fields = {
            "subject": call.subject[:LONGEST_SUBJECT],
            "firstname": first[:LONGEST_NAME],
            "lastname": last[:LONGEST_NAME],
            "telephone1": call.number[:LONGEST_NAME],
        }
        await self._made(access, f"leads({lead})", {name: value for name, value in fields.items() if value})
        return CrmRecord(id=lead, kind="lead", created=True)

    async def log_call(self, access: Access, call: PushedCall, record: CrmRecord, *, again: bool) -> str:
        """Made open and completed afterwards: a completed activity takes no more changes."""
        path = f"phonecalls({call.log_uid})"
        if again and await self._is_completed(access, path):
            return call.log_uid
        who = f"/{record.kind}s({record.id})"
        party = {
            f"partyid_{record.kind}@odata.bind": who,
            "participationtypemask": CALLED if call.outgoing else CALLER,
        }
        activity = {
            "subject": call.subject[:LONGEST_SUBJECT],
            "description": call.text[:LONGEST_TEXT],
            "phonenumber": call.number[:LONGEST_NUMBER],
            "directioncode": call.outgoing,
            "actualdurationminutes": max(1, round(call.duration_s / 60)) if call.duration_s else 0,
            "actualstart": call.started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "actualend": call.ended_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            f"regardingobjectid_{record.kind}_phonecall@odata.bind": who,
            "phonecall_activity_parties": [party],
        }
        await self._made(access, path, activity)
        completed = {"statecode": COMPLETED, "statuscode": MADE if call.outgoing else RECEIVED}
        _checked(await self._asked(access, "PATCH", path, completed, {"If-Match": "*"}))
        return call.log_uid

    async def _is_completed(self, access: Access, path: str) -> bool:
        answer = await self._asked(access, "GET", f"{path}?$select=statecode")
        if answer.status == MISSING:
            return False
        return bool(_checked(answer).body.get("statecode") == COMPLETED)

    async def _made(self, access: Access, path: str, fields: dict[str, Any]) -> None:
        """A row of this id, whether this attempt makes it or an earlier one did."""
        answer = await self._asked(access, "PATCH", path, fields, ONLY_NEW)
        if answer.status != EXISTS:
            _checked(answer)

    async def _asked(
        self, access: Access, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        url = f"{access.instance_url}{API}/{path}"
        return await self._http.with_token(access, method, url, headers=ODATA | (headers or {}), json=body)


def _scope(instance_url: str) -> str:
    return f"{instance_url}/user_impersonation offline_access"


def _checked(answer: Answer) -> Answer:
    """Errors are {error: {code, message}}. Raises CrmRefused."""
    if answer.good:
        return answer
    inner = answer.body.get("error") if isinstance(answer.body, dict) else None
    error = inner if isinstance(inner, dict) else {}
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    raise CrmRefused(f"{answer.status} {code}: {message}".rstrip(": "))
