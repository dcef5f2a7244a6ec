"""Salesforce as far as calls are pushed to it: OAuth, SOQL over Contact, Lead and Task, and making them.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ (query, sObject Basic Information, errors).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from benchmarks.emulators.oauth import OauthEmulator, json_of

API = "/services/data/v62.0"
# name → longest text; 0: no text
CONTACT = {"Id": 18, "FirstName": 40, "LastName": 80, "Phone": 40, "MobilePhone": 40, "Email": 80, "CreatedDate": 0}
LEAD = CONTACT | {"Company": 255, "LeadSource": 255, "Description": 32000, "IsConverted": 0}
TASK = {"Id": 18, "WhoId": 18, "ActivityDate": 10, "Description": 32000, "CallDurationInSeconds": 0, "CreatedDate": 0}
TASK |= dict.fromkeys(("Subject", "Status", "Priority", "TaskSubtype", "CallType", "CallObject"), 255)
FIELDS = {"Contact": CONTACT, "Lead": LEAD, "Task": TASK}
REQUIRED = {"Contact": {"LastName"}, "Lead": {"LastName", "Company"}, "Task": {"Status", "Priority"}}
PREFIXES = {"Contact": "003", "Lead": "00Q", "Task": "00T"}
PICKLISTS = {"CallType": {"Internal", "Inbound", "Outbound"}, "TaskSubtype": {"Task", "Call", "Email", "ListEmail"}}
READ_ONLY = {"Id", "CreatedDate", "IsConverted"}
_QUERY = re.compile(r"SELECT (.+?) FROM (\w+) WHERE (.+?)(?: ORDER BY (\w+))? LIMIT (\d+)")
_TERM = re.compile(r"(\w+) (LIKE|=) ('(?:[^'\\]|\\.)*'|true|false)")


class SalesforceEmulator(OauthEmulator):
    lifetime_s = None
    open_paths = ("/services/oauth2/authorize", "/services/oauth2/token", "/services/oauth2/revoke")

    def __init__(self, *, client_secret: str = "app-secret", email: str = "user@salesforce.example") -> None:
        super().__init__(client_secret=client_secret, redirect_uris="/api/salesforce/oauth/callback")
        self.email = email
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in FIELDS}
        self.app.add_routes(
            [
                web.get("/services/oauth2/authorize", self.authorize),
                web.post("/services/oauth2/token", self.token),
                web.post("/services/oauth2/revoke", self.revoke),
                web.get("/id/{organization}/{user}", self._identity),
                web.get(f"{API}/query", self._query),
                web.post(API + "/sobjects/{name}", self._create),
            ]
        )

    def add(self, name: str, **fields: Any) -> str:
        """A row that was there before."""
        row = dict.fromkeys(FIELDS[name]) | {"IsConverted": False} | fields
        row["CreatedDate"] = number = next(self.numbers)
        row["Id"] = f"{PREFIXES[name]}{number:015d}"
        self.rows[name].append(row)
        return str(row["Id"])

    def scope_is_known(self, scope: str) -> bool:
        return bool(scope) and set(scope.split()) <= {"api", "refresh_token", "id", "openid", "full", "web"}

    def token_extras(self, form: Mapping[str, str]) -> dict[str, Any]:
        return {"instance_url": self.url, "id": f"{self.url}/id/00D000000000001/005000000000001", "issued_at": "1"}

    async def _identity(self, request: web.Request) -> web.Response:
        return web.json_response({"user_id": request.match_info["user"], "email": self.email, "username": self.email})

    # --- reading ------------------------------------------------------------------------------------

    async def _query(self, request: web.Request) -> web.Response:
        soql = request.query.get("q", "")
        self.requests.append({"path": request.path, "q": soql})
        parts = _QUERY.fullmatch(soql)
        if parts is None or parts[2] not in FIELDS:
            return self.api_error(400, "MALFORMED_QUERY", f"unexpected token in {soql}")
        columns, name, where, order, limit = parts.groups()
        selected = [column.strip() for column in columns.split(",")]
        terms = [[_TERM.fullmatch(term) for term in one.strip("()").split(" OR ")] for one in where.split(" AND ")]
        for column in [*selected, *([order] if order else [])]:
            if column not in FIELDS[name]:
                return self.api_error(400, "INVALID_FIELD", f"No such column '{column}' on entity '{name}'.")
        found = []
        for row in self.rows[name]:
            for term in (term for one in terms for term in one):
                if term is None or term[1] not in FIELDS[name]:
                    return self.api_error(400, "INVALID_FIELD", f"No such column in {where}")
            if all(any(term is not None and _holds(row, term) for term in one) for one in terms):
                found.append({column: row.get(column) for column in selected})
        found = found[: int(limit)]
        return web.json_response({"totalSize": len(found), "done": True, "records": found})

    # --- writing ------------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await json_of(request)
        self.requests.append({"path": request.path, "body": body})
        if name not in FIELDS:
            return self.api_error(404, "NOT_FOUND", "The requested resource does not exist")
        if body is None:
            return self.api_error(400, "JSON_PARSER_ERROR", "the body is no JSON object")
        wrong = self._mistake(name, body)
        if wrong is not None:
            return wrong
        return web.json_response({"id": self.add(name, **body), "success": True, "errors": []}, status=201)

    def _mistake(self, name: str, body: dict[str, Any]) -> web.Response | None:
        for field, value in body.items():
            if field not in FIELDS[name]:
                message = f"No such column '{field}' on sobject of type {name}"
                return self.api_error(400, "INVALID_FIELD", message)
            longest = FIELDS[name][field]
            if field in READ_ONLY:
                message = f"Unable to create/update fields: {field}."
                return self.api_error(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, fields=[field])
            if longest and (not isinstance(value, str) or len(value) > longest):
                return self.api_error(400, "STRING_TOO_LONG", f"{field}: data value too large", fields=[field])
            if field in PICKLISTS and value not in PICKLISTS[field]:
                code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
                return self.api_error(400, code, f"bad value for restricted picklist field: {value}", fields=[field])
        missing = sorted(field for field in REQUIRED[name] if not body.get(field))
        if missing:
            message = f"Required fields are missing: {missing}"
            return self.api_error(400, "REQUIRED_FIELD_MISSING", message, fields=missing)
        known = {row["Id"] for kind in ("Contact", "Lead") for row in self.rows[kind]}
        if "WhoId" in body and body["WhoId"] not in known:
            return self.api_error(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=["WhoId"])
        if not isinstance(body.get("CallDurationInSeconds", 0), int):
            return self.api_error(400, "JSON_PARSER_ERROR", "Cannot deserialize instance of int")
        return None

    # --- refusing -----------------------------------------------------------------------------------

    def api_error(self, status: int, code: str, message: str, **more: Any) -> web.Response:
        return web.json_response([{"message": message, "errorCode": code, **more}], status=status)

    def limited(self) -> web.Response:
        return self.api_error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

    def unauthorized(self) -> web.Response:
        return self.api_error(401, "INVALID_SESSION_ID", "Session expired or invalid")


def _holds(row: Mapping[str, Any], term: re.Match[str]) -> bool:
    field, sign, literal = term.groups()
    value = row.get(field)
    if literal in ("true", "false"):
        return bool(value is (literal == "true"))
    text = literal[1:-1]
    if sign == "=":
        return bool(value == text)
    pattern = ".*".join(re.escape(part) for part in text.split("%"))
    return isinstance(value, str) and re.fullmatch(pattern, value, re.IGNORECASE) is not None
