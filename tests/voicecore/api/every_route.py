"""What the attacks on every surface share: its routes from its table, tokens of all kinds, and the ids of real rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import msgspec
import sqlalchemy as sa
from api_server import Server
from sqlalchemy.exc import IntegrityError

from pipelines.errors import VoicecoreError
from voicecore.api.kit import Route, Surface
from voicecore.domain import instants
from voicecore.domain.ids import new_uid
from voicecore.services.tokens import Tokens
from voicecore.storage.columns import Instant
from voicecore.storage.schema import memberships, metadata, organizations, sessions, users

PARAMETER = re.compile(r"\{(\w+)(?::([^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}")
FAR = 1_000_000  # the rows of the second organization are numbered from here on
VOLATILE = ("request_id", "requestId", "timestamp", "meta")
MISSING = {"uid": "00000000-0000-4000-8000-000000000000", "external_id": "nothing_here", "seq": "1999999999"}
FITTING = ("1", "x_1.wav", "x_1", "export_1")  # one of them is what a parameter with a pattern takes
USUAL = ("calls", "customers", "appointments", "agents")
ADA, DORA, BOB = "ada@one.example", "dora@one.example", "bob@two.example"


def routes(server: Server) -> Iterator[tuple[Surface, Route]]:
    for surface in server.surfaces:
        for route in surface.routes:
            if route.path != "/api/v1/crash":
                yield surface, route


def filled(route: Route, value: str = "") -> str:
    """The path with this in place of every parameter; "": with something that fits."""
    return PARAMETER.sub(lambda match: value or _fitting(match[2]), route.path)


def _fitting(pattern: str | None) -> str:
    fit = [text for text in FITTING if pattern is None or re.fullmatch(pattern, text)]
    assert fit, pattern
    return fit[0]


def parameters(route: Route) -> list[str]:
    return [match[1] for match in PARAMETER.finditer(route.path)]


async def grant(server: Server, surface: Surface, email: str = ADA, lifetime_s: int = 3600) -> Any:
    """A session of its own there."""
    return await server.accounts.login(email, email.partition("@")[0] + "-password", surface.name, lifetime_s)


async def wrong_tokens(server: Server, surface: Surface) -> dict[str, str | None]:
    """One of every kind that opens nothing there."""
    right, expired, revoked = [await grant(server, surface) for _ in range(3)]
    claims = jwt.decode(right.access_token, options={"verify_signature": False})
    now = instants.now()
    changes = ((expired, {"expires_at": now - timedelta(seconds=1)}), (revoked, {"revoked_at": now}))
    async with server.database.write() as connection:
        for broken, values in changes:
            sid = jwt.decode(broken.access_token, options={"verify_signature": False})["sid"]
            await connection.execute(sa.update(sessions).where(sessions.c.uid == sid).values(**values))
    elsewhere = {
        f"a token of {other.name}": (await grant(server, other)).access_token
        for other in server.surfaces
        if other is not surface
    }
    late = jwt.encode(claims | {"exp": 1}, key=_key(server.tokens), algorithm="HS256")
    return {
        "none": None,
        "empty": "",
        "garbage": "a.b.c",
        "cut": right.access_token[:-2],
        "unsigned": jwt.encode(claims, key="", algorithm="none"),
        "of a foreign key": jwt.encode(claims, key="k" * 32, algorithm="HS256"),
        "of yesterday": late,
        "of an expired session": expired.access_token,
        "of a revoked session": revoked.access_token,
        "a refresh token": right.refresh_token,
        **elsewhere,
    }


def _key(tokens: Tokens) -> bytes:
    return tokens.key_for("jwt")


async def ask(
    server: Server, surface: Surface, method: str, path: str, token: str | None, **given: Any
) -> tuple[int, Any, Any]:
    """Status, body (None where it is no JSON) and headers."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    url = f"{surface.root}{path}"
    async with server.client.request(method, url, headers=headers | given.pop("headers", {}), **given) as response:
        raw = await response.read()
        body = msgspec.json.decode(raw) if response.content_type == "application/json" and raw else None
        return response.status, body, response.headers


def refused(surface: Surface, status: int, body: Any, error: VoicecoreError) -> bool:
    """Whether an answer is how the surface says this: with its status, in its one shape."""
    return shaped(surface, body) and status == surface.render_error(error, "").status


def shaped(surface: Surface, body: Any) -> bool:
    """Whether an answer is an error in the surface's one shape."""
    try:
        msgspec.convert(body, surface.error_shape)
    except msgspec.ValidationError:
        return False
    return True


def steady(body: Any, *names: str) -> Any:
    """Without what differs from request to request, and without the ids that were asked for."""
    if isinstance(body, dict):
        return {key: steady(value, *names) for key, value in body.items() if key not in VOLATILE}
    if isinstance(body, list):
        return [steady(item, *names) for item in body]
    if isinstance(body, str):
        for name in names:
            body = body.replace(name, "ID")
    return body


# --- rows of two organizations -----------------------------------------------------------------------


async def organization_uids(server: Server) -> list[str]:
    async with server.database.read() as connection:
        query = sa.select(organizations.c.uid).order_by(organizations.c.external_id)
        return list((await connection.execute(query)).scalars())


def owned() -> list[sa.Table]:
    return [table for table in metadata.sorted_tables if "organization_uid" in table.c and "seq" in table.c]


async def fill(server: Server, organization_uid: str) -> set[str]:
    """A row for the organization in every table, as far as its constraints let one be made up. Returns the tables that
    have one now."""
    async with server.database.write() as connection:
        for table in owned():
            found = await connection.execute(sa.select(table.c.seq).where(table.c.organization_uid == organization_uid))
            if found.first() is None:
                values = {c.name: await _value(connection, c, organization_uid) for c in table.c if c.name != "seq"}
                try:
                    async with connection.begin_nested():
                        await connection.execute(sa.insert(table).values(**values))
                except IntegrityError:
                    continue  # the seed has to bring it
        return {
            table.name
            for table in owned()
            if (
                await connection.execute(sa.select(table.c.seq).where(table.c.organization_uid == organization_uid))
            ).first()
        }


async def _value(connection: Any, column: sa.Column[Any], organization_uid: str) -> Any:
    if column.name == "organization_uid":
        return organization_uid
    if column.foreign_keys:
        target = next(iter(column.foreign_keys)).column.table
        query = sa.select(target.c.uid)
        if "organization_uid" in target.c:
            query = query.where(target.c.organization_uid == organization_uid)
        elif target is users:
            mine = sa.select(memberships.c.user_uid).where(memberships.c.organization_uid == organization_uid)
            query = query.where(users.c.uid.in_(mine))
        return (await connection.execute(query.limit(1))).scalar()
    if column.name == "uid":
        return new_uid()
    if column.nullable:
        return None
    if column.name == "external_id":
        return f"hers_{column.table.name}"
    kind = column.type
    if isinstance(kind, Instant):
        return instants.now()
    for python, value in (
        (sa.JSON, {}),
        (sa.Boolean, True),
        (sa.Integer, 1),
        (sa.Float, 1.0),
        (sa.LargeBinary, b"hers"),
    ):
        if isinstance(kind, python):
            return value
    return "x"


async def keep_apart(server: Server, organization_uid: str) -> None:
    """Number the organization's rows so that no row of another one has the same number."""
    async with server.database.write() as connection:
        for table in owned():
            await connection.execute(
                sa.update(table)
                .where(table.c.organization_uid == organization_uid, table.c.seq < FAR)
                .values(seq=table.c.seq + FAR)
            )
        for table, mine in ((organizations, organizations.c.uid == organization_uid), (users, users.c.email == BOB)):
            await connection.execute(sa.update(table).where(mine, table.c.seq < FAR).values(seq=table.c.seq + FAR))


async def ids(server: Server, organization_uid: str) -> dict[str, dict[str, str]]:
    """By table: the ids of one of its rows, by their kind."""
    found: dict[str, dict[str, str]] = {}
    async with server.database.read() as connection:
        for table in [*owned(), organizations]:
            owner = table.c.uid if table is organizations else table.c.organization_uid
            query = sa.select(table).where(owner == organization_uid).order_by(table.c.seq).limit(1)
            row = (await connection.execute(query)).mappings().first()
            if row is not None:
                found[table.name] = {kind: str(row[kind]) for kind in MISSING if kind in row}
    return found


def likely(name: str, known: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """The rows that a parameter or member of this name can mean: the usual ones, when no table is called so."""
    word = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower().removesuffix("s").removesuffix("_id")
    fitting = [row for table, row in known.items() if word and word in table]
    return fitting or [known[table] for table in USUAL if table in known]


async def contents(server: Server, organization_uid: str) -> dict[str, list[Any]]:
    """Everything that is the organization's, but its sessions and its audit trail."""
    found = {}
    async with server.database.read() as connection:
        for table in owned():
            if table.name not in ("sessions", "audit_entries"):
                query = sa.select(table).where(table.c.organization_uid == organization_uid).order_by(table.c.seq)
                found[table.name] = [tuple(row) for row in (await connection.execute(query)).all()]
    return found
