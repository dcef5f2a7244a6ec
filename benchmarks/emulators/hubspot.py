"""HubSpot as far as calls are pushed to it: OAuth v3, contacts and calls, and the search, which lags behind.

https://developers.hubspot.com/docs/api-reference/auth-oauth-v3/guide, …/search/guide, …/crm-calls-v3/guide and
https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (limits, error shape).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from benchmarks.emulators.oauth import OauthEmulator, json_of

SEARCHABLE = {
    "phone": "hs_searchable_calculated_phone_number",
    "mobilephone": "hs_searchable_calculated_mobile_number",
}
CONTACT = {"firstname", "lastname", "email", "phone", "mobilephone", "company", "createdate"} | set(SEARCHABLE.values())
CALL = {
    *("hs_timestamp", "hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_duration"),
    *("hs_call_from_number", "hs_call_to_number", "hs_call_status", "hs_call_external_id", "hs_call_recording_url"),
}
PROPERTIES = {"contacts": CONTACT, "calls": CALL}
ENUMS = {
    "hs_call_direction": {"INBOUND", "OUTBOUND"},
    "hs_call_status": {"BUSY", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER", "QUEUED"},
}
MOST_GROUPS, MOST_FOUND, LONGEST_BODY = 5, 200, 65536
CALL_TO_CONTACT = 194
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\d{13}")


class HubspotEmulator(OauthEmulator):
    open_paths = ("/oauth/",)

    def __init__(self, *, client_secret: str = "app-secret") -> None:
        super().__init__(client_secret=client_secret, redirect_uris="/api/hubspot/oauth/callback")
        self.rows: dict[str, list[dict[str, Any]]] = {"contacts": [], "calls": []}
        self.indexes = True  # False: the search does not know new rows yet
        self.app.add_routes(
            [
                web.get("/oauth/authorize", self.authorize),
                web.post("/oauth/v3/token", self.token),
                web.post("/oauth/2026-03/token/revoke", self.revoke),
                web.post("/crm/v3/objects/{name:contacts|calls}", self._create),
                web.post("/crm/v3/objects/{name:contacts|calls}/search", self._search),
            ]
        )

    def add(self, name: str, associations: Any = None, **properties: str) -> str:
        """A row that was there before, or that is made now."""
        number = str(next(self.numbers))
        for raw, derived in SEARCHABLE.items():
            if raw in properties:
                properties[derived] = re.sub(r"\D", "", properties[raw])[-10:]  # without the country's code
        row = {"id": number, "properties": properties, "associations": associations, "indexed": self.indexes}
        self.rows[name].append(row)
        return number

    def scope_is_known(self, scope: str) -> bool:
        return bool(scope) and all(re.fullmatch(r"oauth|crm\.objects\.[a-z]+\.(read|write)", s) for s in scope.split())

    # --- reading ------------------------------------------------------------------------------------

    async def _search(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await json_of(request)
        self.requests.append({"path": request.path, "body": body})
        groups = (body or {}).get("filterGroups")
        if body is None or not isinstance(groups, list) or not 0 < len(groups) <= MOST_GROUPS:
            return self._invalid("There were 1 to 5 filterGroups expected")
        if not 0 < body.get("limit", 10) <= MOST_FOUND:
            return self._invalid("limit must be between 1 and 200")
        for one in (one for group in groups for one in group["filters"]):
            if one["propertyName"] not in PROPERTIES[name]:
                return self._invalid(f"There was a problem with the request: unknown property {one['propertyName']}")
            if one["operator"] not in ("EQ", "CONTAINS_TOKEN"):
                return self._invalid(f"unknown operator {one['operator']}")
        found = [
            {"id": row["id"], "properties": {key: row["properties"].get(key) for key in body.get("properties", [])}}
            for row in self.rows[name]
            if row["indexed"] and any(all(_holds(row["properties"], f) for f in group["filters"]) for group in groups)
        ]
        return web.json_response({"total": len(found), "results": found[: body.get("limit", 10)]})

    # --- writing ------------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await json_of(request)
        self.requests.append({"path": request.path, "body": body})
        properties = (body or {}).get("properties")
        if body is None or not isinstance(properties, dict) or set(body) - {"properties", "associations"}:
            return self._invalid("Invalid input JSON")
        for key, value in properties.items():
            if key not in PROPERTIES[name]:
                return self._invalid(f'Property "{key}" does not exist', "PROPERTY_DOESNT_EXIST")
            if not isinstance(value, str) or (key in ENUMS and value not in ENUMS[key]):
                return self._invalid(f"{value!r} was not one of the allowed options of {key}", "INVALID_OPTION")
        if name == "calls" and (wrong := self._call_mistake(body)):
            return self._invalid(wrong)
        made = self.add(name, body.get("associations"), **properties)
        return web.json_response({"id": made, "properties": properties, "archived": False}, status=201)

    def _call_mistake(self, body: dict[str, Any]) -> str:
        properties = body["properties"]
        if not _INSTANT.fullmatch(properties.get("hs_timestamp", "")):
            return "hs_timestamp is required, in milliseconds or as ISO 8601 in UTC"
        if not properties.get("hs_call_duration", "0").isdigit():
            return "hs_call_duration is not a number"
        if len(properties.get("hs_call_body", "")) > LONGEST_BODY:
            return "hs_call_body is longer than 65536 characters"
        known = {row["id"] for row in self.rows["contacts"]}
        for association in body.get("associations") or []:
            kinds = [(kind["associationCategory"], kind["associationTypeId"]) for kind in association["types"]]
            if association["to"]["id"] not in known or kinds != [("HUBSPOT_DEFINED", CALL_TO_CONTACT)]:
                return "No contact with this id exists, or the association type is wrong"
        return ""

    # --- refusing -----------------------------------------------------------------------------------

    def api_error(self, status: int, code: str, message: str, **more: Any) -> web.Response:
        correlation = "aeb5f871-7f07-4993-9211-075dc63e7cbf"
        body = {"status": "error", "message": message, "correlationId": correlation, "category": code, **more}
        return web.json_response(body, status=status)

    def _invalid(self, message: str, code: str = "VALIDATION_ERROR") -> web.Response:
        return self.api_error(400, "VALIDATION_ERROR", message, errors=[{"message": message, "code": code}])

    def oauth_error(self, error: str, description: str) -> web.Response:
        body = {"error": error, "error_description": description, "status": "BAD_TOKEN", "message": description}
        return web.json_response(body, status=400)

    def limited(self) -> web.Response:
        body = {"status": "error", "message": "You have reached your secondly limit.", "errorType": "RATE_LIMIT"}
        return web.json_response(body | {"policyName": "SECONDLY"}, status=429, headers=self.retry_after())

    def unauthorized(self) -> web.Response:
        return self.api_error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")


def _holds(properties: Mapping[str, str], one: Mapping[str, str]) -> bool:
    value = properties.get(one["propertyName"], "")
    if one["operator"] == "EQ":
        return value == one["value"]
    return any(fnmatch.fnmatchcase(token, one["value"]) for token in re.findall(r"\w+", value))
