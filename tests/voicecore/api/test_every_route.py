"""Every route of every surface under attack, made from the route tables: wrong tokens, missing permissions, broken and
hostile input, paths and methods that do not exist."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from api_server import Server
from every_route import ADA, DORA, PARAMETER, ask, filled, grant, parameters, refused, routes, shaped, wrong_tokens
from yarl import URL

from pipelines.errors import AuthenticationError, MessageTooLarge, NotFound, PermissionDenied, ValidationError
from voicecore.api.kit import BODY_LIMIT, Auth, MethodNotAllowed
from voicecore.domain.accounts import Permission
from voicecore.storage.schema import memberships, users

HOSTILE = [
    "' OR '1'='1",
    "1; DROP TABLE calls; --",
    "1' UNION SELECT password_hash FROM users --",
    "1) AND SLEEP(5) AND (1=1",
    "%00",
    "a%00b",
    "%F0%9F%A6%B7%D0%BA%D0%BB%D1%8E%D1%87",
    "%ED%A0%80",
    "..%2f..%2fetc%2fpasswd",
    "%7B%7B7*7%7D%7D",
    "99999999999999999999",
    "2147483648",
    "-1",
    "x" * 300,
]
WRONG_TYPES: list[Any] = [{"x": [1]}, [[]], 1.5, True, "\U0001f9b7"]


async def test_no_wrong_token_opens_any_route(server: Server) -> None:
    for surface in server.surfaces:
        wrong = await wrong_tokens(server, surface)
        for owner, route in routes(server):
            if owner is not surface or route.auth is Auth.NONE:
                continue
            for kind, token in wrong.items():
                if kind == "none" and route.auth is Auth.OPTIONAL:
                    continue
                if kind == "a refresh token" and route.auth is Auth.REFRESH:
                    continue
                path = filled(route)
                status, body, headers = await ask(server, surface, route.method, path, token, json={})
                said = (kind, route.method, surface.root + path, status, body)
                assert refused(surface, status, body, AuthenticationError("")), said
                assert headers["WWW-Authenticate"] == "Bearer", said


async def test_one_kind_of_token_renews_and_only_one(server: Server) -> None:
    for surface, route in routes(server):
        if route.auth is Auth.REFRESH:
            granted = await grant(server, surface)
            answers = []
            for token in (granted.access_token, granted.refresh_token):
                status, body, _ = await ask(server, surface, route.method, route.path, token, json={})
                answers.append(status < 300)
                assert status < 300 or refused(surface, status, body, AuthenticationError(""))
            assert sum(answers) == 1, (surface.name, route.path)


async def test_a_bad_signature_is_no_way_in(server: Server) -> None:
    for surface, route in routes(server):
        if route.auth is Auth.ACCESS_OR_SIGNATURE:
            for query in ("signature=", "expires=9999999999&signature=00", "expires=&signature=%ff", "signature=a&b"):
                path = f"{filled(route)}?{query}"
                status, body, _ = await ask(server, surface, route.method, path, None)
                assert refused(surface, status, body, AuthenticationError("")), (path, status, body)


async def test_who_was_given_nothing_may_do_nothing(server: Server) -> None:
    async with server.database.write() as connection:
        dora = sa.select(users.c.uid).where(users.c.email == DORA).scalar_subquery()
        await connection.execute(sa.update(memberships).where(memberships.c.user_uid == dora).values(permissions=[]))
    checked = 0
    for surface in server.surfaces:
        nobody, admin = [(await grant(server, surface, who)).access_token for who in (DORA, ADA)]
        for owner, route in routes(server):
            if owner is not surface or route.permission is None or route.auth is Auth.NONE:
                continue
            path = filled(route)
            tokens = [nobody, admin] if route.permission is Permission.PLATFORM else [nobody]
            for token in tokens:
                status, body, _ = await ask(server, surface, route.method, path, token, json={})
                said = (route.method, surface.root + path, status, body)
                assert refused(surface, status, body, PermissionDenied("")), said
                checked += 1
    assert checked > 50


async def test_broken_bodies_are_told_so(server: Server) -> None:
    for surface in server.surfaces:
        token = (await grant(server, surface)).access_token
        for owner, route in routes(server):
            if owner is not surface or route.body is None:
                continue
            path = filled(route)

            async def send(raw: bytes, path: str = path, route: Any = route, token: str = token) -> tuple[int, Any]:
                given = {"data": io.BytesIO(raw), "headers": {"Content-Type": "application/json"}}
                return (await ask(server, surface, route.method, path, token, **given))[:2]  # noqa: B023

            too_large = b'{"x": "' + b"a" * BODY_LIMIT + b'"}'
            for raw in (b"{", b"[]", b"null", b'"x"', b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"[" * 5000):
                status, body = await send(raw)
                said = (raw[:20], route.method, surface.root + path, status, body)
                assert refused(surface, status, body, ValidationError("")) or status in (403, 404, 503), said
            status, body = await send(too_large)
            assert refused(surface, status, body, MessageTooLarge("")) or status in (403, 404, 503), (path, status)


async def test_wrong_types_are_refused_or_harmless(server: Server) -> None:
    for surface in server.surfaces:
        for owner, route in routes(server):
            if owner is not surface or route.body is None or route.path.endswith("/logout"):
                continue
            token = (await grant(server, surface)).access_token
            names = [field.encode_name for field in msgspec.structs.fields(route.body)]
            for value in WRONG_TYPES:
                sent = dict.fromkeys(names, value)
                status, body, _ = await ask(server, surface, route.method, filled(route), token, json=sent)
                said = (value, route.method, surface.root + route.path, status, body)
                assert status < 500 or status == 503, said
                if status >= 400:
                    assert shaped(surface, body), said
            sent = dict.fromkeys(names, "a\x00b")
            status, body, _ = await ask(server, surface, route.method, filled(route), token, json=sent)
            assert 400 <= status < 500 or status == 503, (route.path, status, body)


@pytest.mark.parametrize("place", ["path", "query"])
async def test_hostile_strings_find_nothing_and_break_nothing(server: Server, place: str) -> None:
    for surface in server.surfaces:
        token = (await grant(server, surface)).access_token
        for owner, route in routes(server):
            if owner is not surface or route.path.endswith("/logout"):
                continue
            names = [f.encode_name for f in msgspec.structs.fields(route.query)] if route.query else []
            if not (parameters(route) if place == "path" else names):
                continue
            for hostile in HOSTILE:
                path = filled(route, hostile if place == "path" else "")
                if place == "query":
                    path += "?" + "&".join(f"{name}={hostile}" for name in names)
                url = URL(surface.root + path.replace(" ", "%20").replace("'", "%27"), encoded=True)
                headers = {"Authorization": f"Bearer {token}"}
                async with server.client.request(route.method, url, headers=headers, json={}) as response:
                    raw = await response.read()
                said = (hostile[:40], route.method, surface.root + route.path, response.status, raw[:300])
                assert response.status < 500 or response.status == 503, said
                assert b"sqlalchemy" not in raw.lower(), said
                assert response.status >= 400 or place == "query" or route.method in ("PUT", "POST"), said
                below = (surface.root + route.path).startswith(surface.prefix)
                if response.status >= 400 and (below or b"no such path" not in raw):
                    assert shaped(surface, msgspec.json.decode(raw)), said


async def test_unknown_paths_and_methods_answer_in_the_surfaces_shape(server: Server) -> None:
    for surface in server.surfaces:
        below = (surface.prefix or "/api/v1") + "/nothing/of/this/name"
        async with server.client.get(below) as response:
            assert refused(surface, response.status, await response.json(), NotFound("")), (surface.name, below)
    by_path: dict[tuple[str, str], set[str]] = {}
    for surface, route in routes(server):
        by_path.setdefault((surface.name, route.path), set()).add(route.method)
    named = {surface.name: surface for surface in server.surfaces}
    not_allowed = 0
    for (name, path), methods in by_path.items():
        surface = named[name]
        for method in {"PATCH", "PUT", "DELETE", "POST"} - methods:
            status, body, headers = await ask(server, surface, method, PARAMETER.sub("x", path), None)
            said = (method, path, status, body)
            if refused(surface, status, body, MethodNotAllowed([])):
                assert set(headers["Allow"].split(", ")) >= methods or "{" in path, said
                not_allowed += 1
            else:  # a route with a parameter there takes it
                assert status in (401, 404) or (surface.prefix or "/api/v1") not in surface.root + path, said
    assert not_allowed > len(by_path)
