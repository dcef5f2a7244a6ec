"""Document 003, the knowledge base."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from api_server import Server
from crm_desk import ARTICLE, BOB, DORA, login


async def test_an_article_is_found_by_its_text(server: Server) -> None:
    crm = await login(server)
    made = await crm.made("/knowledge-base/articles", ARTICLE)
    assert {name: made[name] for name in ARTICLE} == ARTICLE
    assert isinstance(made["id"], int)
    found = await crm.get("/knowledge-base/search", query="how do I reset my password")
    assert [row["id"] for row in found["data"]] == [made["id"]]
    assert 0 < found["data"][0]["score"] <= 1
    assert found["meta"] == {"page": 1, "per_page": 20, "total": 1, "total_pages": 1}
    assert (await crm.get("/knowledge-base/search", query="elephant"))["data"] == []
    other = await crm.get("/knowledge-base/search", query="password", category="billing")
    assert other["data"] == []
    assert [r["id"] for r in (await crm.get("/knowledge-base/search", category="getting_started"))["data"]] == [
        made["id"]
    ]
    bob = await login(server, BOB)
    assert (await bob.get("/knowledge-base/search", query="password"))["data"] == []


async def test_what_runs_is_taken_out_and_only_text_is_known_to_agents(server: Server) -> None:
    crm = await login(server)
    content = (
        '<h1>Parking</h1><p onclick="steal()">Behind the <b>house</b> &amp; the garage</p>'
        '<script>alert("xyzzy")</script>'
        '<a href="javascript:alert(1)">map</a><ul><li>Gate one</li><li>Gate two</li></ul>'
    )
    made = await crm.made("/knowledge-base/articles", {"title": "Where to park", "content": content})
    for bad in ("script", "onclick", "javascript", "xyzzy"):
        assert bad not in made["content"]
    assert "<b>house</b>" in made["content"]
    async with server.database.read() as connection:
        stored = (await connection.execute(sa.text("SELECT content FROM knowledge_articles"))).scalars().one()
    assert stored.splitlines() == ["Parking", "Behind the house & the garage", "map", "Gate one", "Gate two"]
    headers = await server.headers()
    asked = {"query": "where can I park"}
    native = await (await server.client.post("/api/v1/knowledge/search", json=asked, headers=headers)).json()
    assert native["results"][0]["content"] == stored
    plain = {"title": "Maths", "content": "1 < 2 & 3"}
    assert (await server.client.post("/api/v1/knowledge", json=plain, headers=headers)).status == 201
    shown = (await crm.get("/knowledge-base/search", query="maths"))["data"][0]
    assert shown["content"] == "1 &lt; 2 &amp; 3"


async def test_twenty_articles_by_default(server: Server) -> None:
    crm = await login(server)
    for index in range(22):
        await crm.made("/knowledge-base/articles", ARTICLE | {"title": f"Password {index}"})
    found = await crm.get("/knowledge-base/search", query="password")
    assert (len(found["data"]), found["meta"]["total"], found["meta"]["total_pages"]) == (20, 22, 2)
    rest = await crm.get("/knowledge-base/search", query="password", page=2)
    assert (len(rest["data"]), rest["meta"]["page"]) == (2, 2)
    assert not {row["id"] for row in rest["data"]} & {row["id"] for row in found["data"]}
    older = await crm.get("/knowledge-base/search", limit=3, page=2)
    assert [row["title"] for row in older["data"]] == ["Password 18", "Password 17", "Password 16"]
    newest = await crm.get("/knowledge-base/search", limit=3)
    assert [row["title"] for row in newest["data"]] == ["Password 21", "Password 20", "Password 19"]
    for limit in ("0", "101", "x"):
        await crm.refused("GET", "/knowledge-base/search", 400, "VALIDATION_ERROR", params={"limit": limit})


async def test_wrong_articles(server: Server) -> None:
    crm, dora = await login(server), await login(server, DORA)
    empty: list[dict[str, Any]] = [{"content": ""}, {"content": "<p> </p>"}, {"content": "<script>x</script>"}]
    for change in [{"title": ""}, {"tags": "a"}, *empty]:
        error = await crm.refused("POST", "/knowledge-base/articles", 400, "VALIDATION_ERROR", json=ARTICLE | change)
        assert error["details"]["field"] in change
    await dora.refused("POST", "/knowledge-base/articles", 403, "AUTHORIZATION_FAILED", json=ARTICLE)
