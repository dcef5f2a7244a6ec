"""Dynamics 365 as far as calls are pushed to it: Microsoft's token endpoint, and contacts, leads and phone calls of the
Dataverse Web API.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow,
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/ (query data, upsert, errors),
https://learn.microsoft.com/power-apps/developer/data-platform/api-limits.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from aiohttp import web

from benchmarks.emulators.oauth import OauthEmulator, json_of

API = "/api/data/v9.2"
PERSON = {"firstname": 50, "lastname": 50, "telephone1": 50, "mobilephone": 50}
# set → key, and its columns with their longest text; 0: no text
TABLES: dict[str, tuple[str, dict[str, int]]] = {
    "contacts": ("contactid", PERSON),
    "leads": ("leadid", PERSON | {"subject": 300}),
    "phonecalls": (
        "activityid",
        {"subject": 200, "description": 2000, "phonenumber": 200}
        | dict.fromkeys(("directioncode", "actualdurationminutes", "actualstart", "actualend"), 0)
        | dict.fromkeys(("statecode", "statuscode", "phonecall_activity_parties"), 0),
    ),
}
BINDINGS = {f"regardingobjectid_{kind}_phonecall@odata.bind": f"{kind}s" for kind in ("contact", "lead")}
PARTIES = {f"partyid_{kind}@odata.bind": f"{kind}s" for kind in ("contact", "lead")}
COMPLETED = 1
_FILTER = re.compile(r"statecode eq 0 and \((contains\(\w+,'[^']*'\)(?: or contains\(\w+,'[^']*'\))*)\)")
_CONTAINS = re.compile(r"contains\((\w+),'([^']*)'\)")


class DynamicsEmulator(OauthEmulator):
    open_paths = ("/organizations/oauth2/",)

    def __init__(self, *, client_secret: str = "app-secret") -> None:
        super().__init__(client_secret=client_secret, redirect_uris="/api/dynamics/oauth/callback")
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in TABLES}
        one = API + "/{name:contacts|leads|phonecalls}({uid})"
        self.app.add_routes(
            [
                web.get("/organizations/oauth2/v2.0/authorize", self.authorize),
                web.post("/organizations/oauth2/v2.0/token", self.token),
                web.get(API + "/{name:contacts|leads}", self._query),
                web.get(one, self._read),
                web.patch(one, self._patch),
            ]
        )

    def add(self, name: str, **fields: Any) -> str:
        """A row that was there before."""
        uid = str(uuid.uuid4())
        self.rows[name][uid] = {"statecode": 0} | fields
        return uid

    def scope_is_known(self, scope: str) -> bool:
        return set(scope.split()) == {f"{self.url}/user_impersonation", "offline_access"}

    # --- reading ------------------------------------------------------------------------------------

    async def _query(self, request: web.Request) -> web.Response:
        name, query = request.match_info["name"], request.query
        self.requests.append({"path": request.path, **query})
        key, columns = TABLES[name]
        selected = query.get("$select", "").split(",")
        condition = _FILTER.fullmatch(query.get("$filter", ""))
        if set(selected) - {key, *columns} or condition is None:
            return self.api_error(
                400, "0x80060888", f"Could not find a property on type 'Microsoft.Dynamics.CRM.{name}'"
            )
        terms = [(field, ".*".join(map(re.escape, text.split("%")))) for field, text in _CONTAINS.findall(condition[1])]
        found = [
            {column: uid if column == key else row.get(column) for column in selected}
            for uid, row in self.rows[name].items()
            if row["statecode"] == 0 and any(re.search(pattern, row.get(field) or "") for field, pattern in terms)
        ]
        return web.json_response({"value": found[: int(query.get("$top", "5000"))]})

    async def _read(self, request: web.Request) -> web.Response:
        name, uid = request.match_info["name"], request.match_info["uid"]
        row = self.rows[name].get(uid)
        if row is None:
            return self.api_error(404, "0x80040217", f"Entity '{name}' With Id = {uid} Does Not Exist")
        return web.json_response({column: row.get(column) for column in request.query["$select"].split(",")})

    # --- writing ------------------------------------------------------------------------------------

    async def _patch(self, request: web.Request) -> web.Response:
        """Makes or changes a row; If-None-Match: * only makes one, If-Match: * only changes one."""
        name, uid, body = request.match_info["name"], request.match_info["uid"], await json_of(request)
        self.requests.append({"path": request.path, "body": body})
        if body is None or not _is_uuid(uid):
            return self.api_error(400, "0x80048d19", "Error in deserializing the request")
        row = self.rows[name].get(uid)
        if row is not None and request.headers.get("If-None-Match") == "*":
            return self.api_error(412, "0x80040237", "A record with matching key values already exists.")
        if row is None and request.headers.get("If-Match") == "*":
            return self.api_error(404, "0x80040217", f"Entity '{name}' With Id = {uid} Does Not Exist")
        if wrong := self._mistake(name, row, body):
            return self.api_error(400, "0x80048d19", wrong)
        self.rows[name][uid] = {"statecode": 0} | (row or {}) | body
        return web.Response(status=204, headers={"OData-EntityId": f"{self.url}{request.path}"})

    def _mistake(self, name: str, row: dict[str, Any] | None, body: dict[str, Any]) -> str:
        columns = TABLES[name][1]
        for field, value in body.items():
            if field in BINDINGS and name == "phonecalls":
                if not self._is_there(BINDINGS[field], value):
                    return f"{value} does not exist"
            elif field not in columns:
                return f"The property '{field}' does not exist on type 'Microsoft.Dynamics.CRM.{name[:-1]}'."
            elif columns[field] and (not isinstance(value, str) or len(value) > columns[field]):
                return (
                    f"The length of the '{field}' attribute exceeded the maximum allowed length of '{columns[field]}'"
                )
        if row is None and body.get("statecode", 0) != 0:
            return "a new activity is open"
        if row is not None and row["statecode"] == COMPLETED:
            return "The object cannot be updated because it is read-only."
        for party in body.get("phonecall_activity_parties", []):
            bound = [(PARTIES[field], value) for field, value in party.items() if field in PARTIES]
            if len(bound) != 1 or not self._is_there(*bound[0]) or party.get("participationtypemask") not in (1, 2):
                return "a party is wrong"
        return ""

    def _is_there(self, name: str, reference: str) -> bool:
        return any(reference == f"/{name}({uid})" for uid in self.rows[name])

    # --- refusing -----------------------------------------------------------------------------------

    def oauth_error(self, error: str, description: str) -> web.Response:
        body = {"error": error, "error_description": f"AADSTS70008: {description}", "error_codes": [70008]}
        return web.json_response(body, status=401 if error == "invalid_client" else 400)

    def api_error(self, status: int, code: str, message: str, **more: Any) -> web.Response:
        return web.json_response({"error": {"code": code, "message": message, **more}}, status=status)

    def limited(self) -> web.Response:
        message = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
        response = self.api_error(429, "0x80072322", message)
        response.headers.update(self.retry_after())
        return response

    def unauthorized(self) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": f"Bearer authorization_uri={self.url}"})


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
