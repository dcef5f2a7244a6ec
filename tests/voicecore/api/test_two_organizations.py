"""Two organizations attack each other with the real ids of each other's rows, on every route that takes an id: in its
path, in its query, in its body. The answer is that of an id that nobody has, and nothing of the victim changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from api_server import Server
from every_route import (
    ADA,
    BOB,
    MISSING,
    PARAMETER,
    ask,
    contents,
    fill,
    grant,
    ids,
    keep_apart,
    likely,
    organization_uids,
    parameters,
    routes,
    steady,
)

from voicecore.api.kit import Auth, Route, Surface

EVERYBODYS = {"x", "1", "0"}


def meant(name: str, victims: dict[str, dict[str, str]], mine: set[str]) -> Iterator[tuple[str, str]]:
    """Ids of the victim's rows that a name can mean, each with one of the same kind that nobody has."""
    for row in likely(name, victims):
        for kind, value in row.items():
            if value not in mine | EVERYBODYS:
                yield value, MISSING[kind]


def references(kind: type[msgspec.Struct] | None) -> list[str]:
    """Members that name other rows."""
    names = [field.encode_name for field in msgspec.structs.fields(kind)] if kind is not None else []
    return [name for name in names if name.lower().endswith(("id", "ids"))]


def segments(route: Route) -> list[str]:
    """What stands before each parameter of the path: "/calls/{id}" is a call's."""
    return [part.rpartition("{")[0].strip("/").rpartition("/")[2] for part in route.path.split("}")[:-1]]


def attacks(
    route: Route, victims: dict[str, dict[str, str]], mine: set[str]
) -> Iterator[list[tuple[str, dict[str, str], dict[str, Any]]]]:
    """Pairs of requests (path, query, body): with an id of the victim's, and with one that nobody has."""

    def request(path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any]]:
        return PARAMETER.sub(lambda match: path, route.path), query, body

    for name, before in zip(parameters(route), segments(route), strict=True):
        word = before if name.lower() in ("id", "name", "number") else name
        yield from ([request(a, {}, {}), request(b, {}, {})] for a, b in meant(word, victims, mine))
    for name in references(route.query):
        yield from ([request("x", {name: a}, {}), request("x", {name: b}, {})] for a, b in meant(name, victims, mine))
    for name in references(route.body):
        for a, b in meant(name, victims, mine):
            number = a.isdigit()
            values: list[Any] = [int(a), int(b)] if number else [a, b]
            if name.lower().endswith("ids"):
                values = [[value] for value in values]
            yield [request("x", {}, {name: value}) for value in values]


async def attack(server: Server, surface: Surface, attacker: str, victim: str, mine: str) -> int:
    """The number of attacks. Raises AssertionError when one shows anything."""
    victims = await ids(server, victim)
    own = {value for row in (await ids(server, mine)).values() for value in row.values()}
    token = (await grant(server, surface, attacker)).access_token
    tried = 0
    for owner, route in routes(server):
        if owner is not surface or route.auth is Auth.NONE:
            continue
        for pair in attacks(route, victims, own):
            answers = []
            for path, query, body in pair:
                given = {"params": query} | ({"json": body} if route.method != "GET" else {})
                status, answer, _ = await ask(server, surface, route.method, path, token, **given)
                names = [*PARAMETER.sub("", path).split("/")[-3:], *query.values(), *map(str, body.values())]
                answers.append((status, steady(answer, *(n for n in names if len(n) > 6)) if status >= 400 else None))
            said = (route.method, surface.root + route.path, pair, answers)
            assert answers[0] == answers[1], said
            assert answers[0][0] < 500 or answers[0][0] == 503, said
            tried += 1
    return tried


async def test_a_strangers_id_is_as_good_as_none(server: Server) -> None:
    one, two = await organization_uids(server)
    for organization in (one, two):
        filled = await fill(server, organization)
        assert {"agents", "calls", "customers", "businesses"} <= filled
    await keep_apart(server, two)
    for attacker, mine, victim in ((ADA, one, two), (BOB, two, one)):
        before = await contents(server, victim)
        tried = [await attack(server, surface, attacker, victim, mine) for surface in server.surfaces]
        assert await contents(server, victim) == before
        assert min(tried) > 0
        assert sum(tried) > 200
