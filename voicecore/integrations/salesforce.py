"""Salesforce: contacts and leads by number, calls as completed tasks.

OAuth: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm
REST: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ (query, sobjects, errors)
Task: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from config.crms import SalesforceSettings
from voicecore.domain import phone
from voicecore.domain.integrations import CrmRecord, CrmRefused, CrmUnavailable, Grant, PushedCall
from voicecore.integrations.http import Access, Answer, CrmHttp
from voicecore.integrations.oauth import ClientApp, OauthClient, OauthEndpoints
from voicecore.services.crm_vendors import Leave

SCOPE = "api refresh_token id"
API = "/services/data/v62.0"
LONGEST_TEXT = 32000  # characters of Task.Description
LONGEST_SUBJECT, LONGEST_NAME, LONGEST_FIRST = 255, 80, 40
CANDIDATES = 50


class Salesforce:
    """Implements `Vendor` and `Crm`."""

    by_instance = False

    def __init__(self, settings: SalesforceSettings, app: ClientApp, http: CrmHttp) -> None:
        base = settings.login_url.rstrip("/") + "/services/oauth2"
        endpoints = OauthEndpoints(
            authorize_url=f"{base}/authorize", token_url=f"{base}/token", revoke_url=f"{base}/revoke"
        )
        self._oauth = OauthClient(app, endpoints, http)
        self._http = http

    # --- OAuth ----------------------------------------------------------------------------------------

    def login_page(self, leave: Leave) -> str:
        return self._oauth.login_page(leave, SCOPE, {})

    async def exchange(self, code: str, verifier: str, redirect_uri: str, instance_url: str) -> Grant:
        grant, answer = await self._oauth.exchange(code, verifier, redirect_uri, {})
        if not grant.instance_url:
            raise CrmUnavailable("Salesforce did not say where the data are")
        return msgspec.structs.replace(grant, email=await self._email(answer.member("id"), grant.access_token))

    async def refresh(self, refresh_token: str, instance_url: str) -> Grant:
        return (await self._oauth.refresh(refresh_token, {}))[0]

    async def revoke(self, refresh_token: str) -> None:
        await self._oauth.revoke(refresh_token)

    async def _email(self, identity_url: str, token: str) -> str:
        """Of the user who connected, at the identity URL that came with the tokens. A vendor who does not tell does not
        prevent the connection."""
        if not identity_url:
            return ""
        try:
            answer = await self._http.send("GET", identity_url, headers={"Authorization": f"Bearer {token}"})
        except (CrmRefused, CrmUnavailable):
            return ""
        return answer.member("email")

    # --- records --------------------------------------------------------------------------------------

    async def find(self, access: Access, call: PushedCall) -> CrmRecord | None:
        """A contact before a lead, and of several the oldest. A converted lead is a contact by now."""
        for name, condition in (("Contact", ""), ("Lead", " AND IsConverted = false")):
            pattern = "%" + "%".join(phone.tail(call.number)) + "%"  # however it is written there
            found = await self._query(
                access,
                f"SELECT Id, Phone, MobilePhone FROM {name} WHERE (Phone LIKE '{pattern}' OR "
                f"MobilePhone LIKE '{pattern}'){condition} ORDER BY CreatedDate LIMIT {CANDIDATES}",
            )
            for row in found:
                if any(phone.same_number(row.get(field) or "", call.number) for field in ("Phone", "MobilePhone")):
                    return CrmRecord(id=row["Id"], kind=name.lower())
        return None

    async def create(self, access: Access, call: PushedCall) -> CrmRecord:
        first, last = call.names
        made = await self._post(
            access,
            "Lead",
            {
                "FirstName": first[:LONGEST_FIRST],
                "LastName": last[:LONGEST_NAME],
                "Company": call.name[:LONGEST_SUBJECT] or call.number,  # Salesforce insists on one
                "Phone": call.number[:LONGEST_FIRST],
                "LeadSource": "Phone Inquiry",
            },
        )
        return CrmRecord(id=made, kind="lead", created=True)

    async def log_call(self, access: Access, call: PushedCall, record: CrmRecord, *, again: bool) -> str:
        """`CallObject` carries our id of the call, so that another attempt finds what a lost answer left behind."""
        if again:
            query = f"SELECT Id FROM Task WHERE CallObject = '{call.call_uid}' LIMIT 1"
            if found := await self._query(access, query):
                return str(found[0]["Id"])
        return await self._post(
            access,
            "Task",
            {
                "Subject": call.subject[:LONGEST_SUBJECT],
                "Description": call.text[:LONGEST_TEXT],
                "WhoId": record.id,
                "Status": "Completed",
                "Priority": "Normal",
                "ActivityDate": call.ended_at.date().isoformat(),
                "TaskSubtype": "Call",
                "CallType": "Outbound" if call.outgoing else "Inbound",
                "CallDurationInSeconds": round(call.duration_s),
                "CallObject": call.call_uid,
            },
        )

    async def _query(self, access: Access, soql: str) -> list[dict[str, Any]]:
        url = f"{access.instance_url}{API}/query?q={quote(soql, safe='')}"
        answer = _checked(await self._http.with_token(access, "GET", url))
        found = answer.body.get("records") if isinstance(answer.body, dict) else None
        if not isinstance(found, list):
            raise CrmUnavailable("Salesforce's answer has no records")
        return [row for row in found if isinstance(row, dict) and isinstance(row.get("Id"), str)]

    async def _post(self, access: Access, name: str, fields: dict[str, Any]) -> str:
        url = f"{access.instance_url}{API}/sobjects/{name}"
        given = {field: value for field, value in fields.items() if value != ""}
        made = _checked(await self._http.with_token(access, "POST", url, json=given)).member("id")
        if not made:
            raise CrmUnavailable("Salesforce's answer has no id")
        return made


def _checked(answer: Answer) -> Answer:
    """Errors are a list of {message, errorCode}; a used-up quota is a 403. Raises CrmRefused, CrmUnavailable."""
    if answer.good:
        return answer
    first = answer.body[0] if isinstance(answer.body, list) and answer.body else None
    error = first if isinstance(first, dict) else {}
    code, message = str(error.get("errorCode", "")), str(error.get("message", ""))
    if code in ("REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"):
        raise CrmUnavailable(f"{code}: {message}", 60.0)
    raise CrmRefused(f"{answer.status} {code}: {message}".rstrip(": "))
