"""Document 000 "Team Management": who is invited, what members may do, and that access ends."""

from __future__ import annotations

from typing import Any

import pytest
from api_server import Server
from portal_member import PASSWORD, Member, hired, login, register

from pipelines.errors import ConfigError
from voicecore.services.seeding import Seeder

INVITATION = {
    "email": "newmember@company.example",
    "name": "Jane Doe",
    "role": "staff",
    "permissions": ["calls.view", "appointments.view"],
    "branch_ids": [1, 2],
}


async def test_an_invited_member_is_listed_and_comes_in_with_the_token(server: Server) -> None:
    boss = await register(server)
    invited = await boss.ask("POST", "/team/invite", 201, json=INVITATION)
    token = invited.pop("invitation_token")
    assert invited.pop("invited_until").endswith("Z")
    listing = await boss.get("/team")
    assert listing["data"][1] == invited
    assert invited == {
        "id": invited["id"],
        "name": "Jane Doe",
        "email": "newmember@company.example",
        "role": "staff",
        "permissions": ["calls.view", "appointments.view"],
        "branch_ids": [1, 2],
        "status": "invited",
        "two_factor_enabled": False,
        "created_at": invited["created_at"],
    }
    assert listing["data"][0]["id"] == boss.user["id"]
    assert listing["data"][0]["status"] == "active"
    body = {"email": INVITATION["email"], "password": PASSWORD}
    await Member(server).refused("POST", "/auth/login", 401, json=body)
    joining = body | {"name": "Jane", "invitation_token": token}
    for wrong in ({"invitation_token": "no"}, {"email": "eve@other.example"}):
        error = await Member(server).refused("POST", "/auth/register", 422, json=joining | wrong)
        assert set(error["details"]) == {"invitation_token"}
    joined = await Member(server).ask("POST", "/auth/register", 201, json=joining)
    assert joined["user"]["company_id"] == boss.user["company_id"]
    assert joined["user"]["permissions"] == INVITATION["permissions"]
    await Member(server).refused("POST", "/auth/register", 422, json=joining)  # it is used
    assert (await boss.get("/team"))["data"][1]["status"] == "active"
    await login(server, str(INVITATION["email"]))


async def test_members_may_what_they_were_given_and_no_more(server: Server) -> None:
    boss = await register(server)
    jane = await hired(boss, "jane@company.example", role="staff", permissions=["calls.view"])
    await jane.get("/calls")
    for method, path in (("GET", "/team"), ("GET", "/customers"), ("GET", "/audit-logs"), ("GET", "/settings")):
        assert (await jane.refused(method, path, 403))["code"] == "UNAUTHORIZED"
    changed = {"role": "manager", "permissions": ["calls.view", "appointments.manage", "team.view"]}
    answer = await boss.ask("PUT", f"/team/{jane.user['id']}", 200, json=changed)
    assert (answer["role"], answer["permissions"]) == ("manager", changed["permissions"])
    await jane.get("/team")  # at once, with the token that he has
    await jane.get("/appointments")  # managing includes seeing
    await jane.refused("POST", "/team/invite", 403, json=INVITATION)
    await boss.ask("PUT", f"/team/{jane.user['id']}", 200, json={"permissions": []})
    await jane.refused("GET", "/calls", 403)
    answer = await boss.ask("PUT", f"/team/{jane.user['id']}", 200, json={})
    assert (answer["role"], answer["permissions"]) == ("manager", [])


async def test_what_was_given_binds_on_other_surfaces_too(server: Server) -> None:
    boss = await register(server)
    await hired(boss, "jane@company.example", permissions=["calls.view"])
    tokens = await server.login("jane@company.example", PASSWORD)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await server.client.get("/api/v1/calls", headers=headers)).status == 403
    tokens = await server.login(boss.user["email"], PASSWORD)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await server.client.get("/api/v1/calls", headers=headers)).status == 200


async def test_removing_a_member_ends_his_access_at_once(server: Server) -> None:
    boss = await register(server)
    jane = await hired(boss, "jane@company.example")
    native = await server.login("jane@company.example", PASSWORD)
    await jane.get("/calls")
    await boss.ask("DELETE", f"/team/{jane.user['id']}", 200)
    await jane.refused("GET", "/calls", 401)
    response = await server.client.get("/api/v1/calls", headers={"Authorization": f"Bearer {native['access_token']}"})
    assert response.status == 401
    body = {"email": "jane@company.example", "password": PASSWORD}
    await Member(server).refused("POST", "/auth/login", 401, json=body)
    assert [row["id"] for row in (await boss.get("/team"))["data"]] == [boss.user["id"]]
    await boss.refused("DELETE", f"/team/{jane.user['id']}", 404)
    back = await hired(boss, "jane@company.example")  # with the password that he had
    assert back.user["id"] == jane.user["id"]


async def test_there_is_always_an_administrator_and_nobody_rises_by_himself(server: Server) -> None:
    boss = await register(server)
    me = boss.user["id"]
    for method, given in (("DELETE", {}), ("PUT", {"json": {"role": "staff"}})):
        assert (await boss.refused(method, f"/team/{me}", 422, **given))["code"] == "VALIDATION_ERROR"
    clerk = await hired(boss, "clerk@company.example", role="manager", permissions=["team.manage", "calls.view"])
    await clerk.ask("POST", "/team/invite", 201, json={"email": "a@company.example", "permissions": ["calls.view"]})
    for body in (
        {"email": "b@company.example", "role": "admin"},
        {"email": "b@company.example", "role": "manager"},
        {"email": "b@company.example", "permissions": ["billing.manage"]},
    ):
        await clerk.refused("POST", "/team/invite", 403, json=body)
    await clerk.refused("PUT", f"/team/{clerk.user['id']}", 403, json={"role": "admin"})
    await clerk.refused("PUT", f"/team/{clerk.user['id']}", 403, json={"permissions": ["audit.view"]})
    await clerk.refused("DELETE", f"/team/{me}", 403)
    second = await hired(boss, "second@company.example", role="admin")
    await second.ask("PUT", f"/team/{me}", 200, json={"role": "staff"})
    await boss.refused("GET", "/team", 403)


async def test_another_company_s_members_look_missing(server: Server) -> None:
    boss, eve = await register(server), await register(server, "eve@other.example")
    for method, given in (("PUT", {"json": {"role": "staff"}}), ("DELETE", {})):
        error = await eve.refused(method, f"/team/{boss.user['id']}", 404, **given)
        assert error == await eve.refused(method, "/team/999999", 404, **given)
    assert [row["id"] for row in (await eve.get("/team"))["data"]] == [eve.user["id"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "john@company.example"}, "email"),
        ({"email": "a@b.example", "role": "owner"}, "role"),
        ({"email": "a@b.example", "permissions": ["calls.fly"]}, "permissions.0"),
        ({"email": "a@b.example", "branch_ids": ["x"]}, "branch_ids[0]"),
    ],
)
async def test_a_wrong_invitation_is_refused(server: Server, body: dict[str, Any], field: str) -> None:
    boss = await register(server)
    error = await boss.refused("POST", "/team/invite", 422, json=body)
    assert set(error["details"]) == {field}
    assert (await boss.get("/team"))["meta"]["total"] == 1


async def test_an_address_that_was_invited_may_still_register_for_itself(server: Server) -> None:
    boss = await register(server)
    await boss.ask("POST", "/team/invite", 201, json={"email": "jane@company.example"})
    jane = await register(server, "jane@company.example", company_name="Her own")
    assert jane.user["company_id"] != boss.user["company_id"]
    assert jane.user["role"] == "admin"
    assert (await boss.get("/team"))["data"][1]["status"] == "invited"


async def test_lists_have_links_that_keep_size_and_filters(server: Server) -> None:
    boss = await register(server)
    for number in range(4):
        await boss.ask("POST", "/team/invite", 201, json={"email": f"member{number}@company.example"})
    page = await boss.get("/team", per_page=2, page=2, note="ä b")
    base = str(server.client.make_url("/api/v2/portal/team"))
    tail = "per_page=2&note=%C3%A4+b"
    assert page["links"] == {
        "first": f"{base}?{tail}&page=1",
        "last": f"{base}?{tail}&page=3",
        "prev": f"{base}?{tail}&page=1",
        "next": f"{base}?{tail}&page=3",
    }
    assert page["meta"] == {
        "current_page": 2,
        "from": 3,
        "last_page": 3,
        "path": base,
        "per_page": 2,
        "to": 4,
        "total": 5,
    }
    last = await boss.get("/team", per_page=2, page=3)
    assert last["links"]["next"] is None
    assert len(last["data"]) == 1
    first = await boss.get("/team")
    assert first["links"]["prev"] is None
    assert first["links"]["next"] is None
    assert first["meta"]["per_page"] == 20
    beyond = await boss.get("/team", page=9)
    assert beyond["data"] == []
    assert beyond["meta"]["from"] is None
    assert beyond["links"]["prev"] == f"{base}?page=1"
    for wrong in ("0", "101", "many"):
        assert set((await boss.refused("GET", f"/team?per_page={wrong}", 422))["details"]) == {"per_page"}


SEED = """
organizations:
  - id: org_one
    name: One Dental
    timezone: Europe/Berlin
    users:
      - {email: mia@one.example, password: mia-password, name: Mia, roles: [manager]}
      - {email: stan@one.example, password: stan-password, roles: [staff], permissions: [calls.view, team.view]}
    branches:
      - id: south
        name: One Dental South
        services: [{name: Whitening, minutes: 45, price: 120}]
        resources: [{id: south_chair, name: Dr. South}]
        opening_hours: {mon: "09:00-17:00"}
"""


async def test_members_and_branches_are_provisioned(server: Server) -> None:
    file = server.directory / "portal.yaml"
    file.write_text(SEED)
    seeder = Seeder(server.database, server.passwords)
    made = await seeder.seed(file)
    assert made.created == {
        "users": 2,
        "memberships": 2,
        "businesses": 1,
        "services": 1,
        "resources": 1,
        "opening_hours": 1,
    }
    mia = await login(server, "mia@one.example", "mia-password")
    stan = await login(server, "stan@one.example", "stan-password")
    assert (mia.user["role"], stan.user["role"]) == ("manager", "staff")
    assert stan.user["permissions"] == ["calls.view", "team.view"]
    assert "webhooks.manage" in mia.user["permissions"]
    assert "team.manage" not in mia.user["permissions"]
    assert [row["name"] for row in (await stan.get("/team"))["data"]] == ["Ada", "", "Mia", ""]
    await stan.refused("GET", "/appointments", 403)
    assert (await mia.get("/settings"))["features"]["multi_branch"] is True
    ada = await login(server, "ada@one.example", "ada-password")
    await ada.ask("PUT", f"/team/{stan.user['id']}", 200, json={"permissions": ["calls.view"]})
    assert (await seeder.seed(file)).updated == {"memberships": 1}
    file.write_text(SEED.replace("team.view", "team.fly"))
    with pytest.raises(ConfigError, match=r"team\.fly"):
        await seeder.seed(file)
