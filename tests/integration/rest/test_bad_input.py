"""Whatever is sent, the answer is a problem with the status it deserves, and never a 500."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from httpx import AsyncClient

from tests.integration.rest.probes import KNOWN

THINGS = "/api/v1/things"
JSON = {"Content-Type": "application/json"}


@dataclass
class Bad:
    """One request and what is due: the status and, for invalid fields, their pointers."""

    method: str
    path: str
    status: int
    pointers: tuple[str, ...] = ()
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))

    def __str__(self) -> str:
        return f"{self.method} {self.path[:60]} {(self.body or b'')[:40]!r} → {self.status}"


def thing(**fields: Any) -> bytes:
    return json.dumps({"code": "a", **fields}).encode()


def create(status: int, body: bytes, *pointers: str, **headers: str) -> Bad:
    return Bad("POST", THINGS, status, pointers, body, {**JSON, **headers})


def query(text: str, status: int, *pointers: str, method: str = "GET", path: str = "") -> Bad:
    return Bad(method, f"{THINGS}{path}?{text}", status, pointers)


BODIES = [
    create(400, b""),
    create(400, b"{"),
    create(400, b"not json"),
    create(400, b"\xff\xfe{}"),
    create(400, b'{"code": "\xc3("}'),
    create(400, b"\xef\xbb\xbf" + thing()),
    create(400, b'{"code": "a", "code": "b"}'),
    create(400, b'{"code": "a", "count": NaN}'),
    create(400, b"[" * 100_000),
    create(400, b'{"a":' * 100_000),
    create(400, b'{"code": "a", "anything": {"x": ' + b"[" * 40 + b"]" * 40 + b"}}"),
    create(422, b"null", ""),
    create(422, b"[]", ""),
    create(422, b'"text"', ""),
    create(422, b"{}", "/code"),
    create(422, thing(extra=1), "/extra"),
    create(422, thing(tenant_id="x", status="y"), "/tenant_id", "/status"),
    create(422, b'{"code": "a\\u0000b"}', "/code"),
    create(422, b'{"code": "a", "title": "\\ud800"}', "/title"),
    create(422, b'{"code": "a", "anything": {"deep": ["\\u0000"]}}', "/anything/deep/0"),
    create(422, thing(code=""), "/code"),
    create(422, thing(code="x" * 65), "/code"),
    create(422, thing(code="a b"), "/code"),
    create(422, thing(title="   "), "/title"),
    create(422, thing(count=2**63), "/count"),
    create(422, thing(count=10**400), "/count"),
    create(422, thing(count=-1), "/count"),
    create(422, thing(count="5"), "/count"),
    create(422, thing(count=5.5), "/count"),
    create(422, thing(count=True), "/count"),
    create(422, thing(anything={"n": 2**63}), "/anything/n"),
    create(422, b'{"code": "a", "anything": {"n": 1e999}}', "/anything/n"),
    create(422, thing(colour="green"), "/colour"),
    create(422, thing(owner_id="not-a-uuid"), "/owner_id"),
    create(422, thing(at="2026-03-01T09:00:00"), "/at"),
    create(422, thing(at="2026-02-30T09:00:00Z"), "/at"),
    create(422, thing(at="0001-01-01T00:00:00+14:00"), "/at"),
    create(422, thing(at=1e12), "/at"),
    create(422, thing(day="2026-02-30"), "/day"),
    create(422, thing(day="10000-01-01"), "/day"),
    create(422, thing(parts=[{"seq": 0}]), "/parts/0/seq"),
    create(422, thing(parts=[{"seq": 1}] * 4), "/parts"),
    create(422, thing(parts=[{"seq": 1, "x": 1}]), "/parts/0/x"),
    create(422, thing(parts={}), "/parts"),
    create(422, thing(code=1, count="x", extra=None), "/code", "/count", "/extra"),
    create(413, b'{"title": "' + b"x" * 2_097_152 + b'"}'),
]
MEDIA_TYPES = [
    create(415, thing(), **{"Content-Type": "text/plain"}),
    create(415, thing(), **{"Content-Type": ""}),
    create(415, thing(), **{"Content-Type": "application/x-www-form-urlencoded"}),
    create(415, thing(), **{"Content-Type": "multipart/form-data; boundary=x"}),
    create(415, thing(), **{"Content-Type": "application/json; charset=utf-16"}),
    create(415, thing(), **{"Content-Type": "application/msgpack"}),
    Bad("POST", f"{THINGS}/csv", 415, (), b"a\n"),
    Bad(
        "POST", f"{THINGS}/sweep", 415, (), b"limit=1", {"Content-Type": "application/x-www-form-urlencoded"}
    ),
    Bad("POST", f"{THINGS}/sweep", 422, ("/limit",), b'{"limit": 1}'),
    Bad("POST", f"{THINGS}/sweep", 422, ("",), b"[]"),
    Bad("POST", f"{THINGS}/sweep", 400, (), b"{"),
    Bad("POST", f"{THINGS}/sweep", 413, (), b" " * 2_097_152),
    Bad("POST", f"{THINGS}/reason", 422, ("/reason",), b"{}"),
]
QUERIES = [
    query("page=0", 422, "/page"),
    query("page=-1", 422, "/page"),
    query("page=x", 422, "/page"),
    query("page=", 422, "/page"),
    query("page=1000001", 422, "/page"),
    query(f"page={2**63}", 422, "/page"),
    query(f"page={'9' * 5000}", 422, "/page"),
    query("page_size=0", 422, "/page_size"),
    query("page_size=101", 422, "/page_size"),
    query("page=1&page=2", 422, "/page"),
    query("pagesize=20", 422, "/pagesize"),
    query("engine=evil", 422, "/engine"),
    query("paging=evil", 422, "/paging"),
    query("page=0&page_size=0&x=1", 422, "/page", "/page_size", "/x"),
    query("colour=red&colour=green", 422, "/colour/1"),
    query("owner_id=x", 422, "/owner_id"),
    query("day=2026-13-01", 422, "/day"),
    query("day=0001-01-01", 422, "/day"),
    query("colour=a%00b", 422, "/colour"),
    query("a%00b=1", 422, ""),
    query("colour=%ff", 400),
    query("cursor=made-up", 422, "/cursor", path="/history"),
    query("cursor=", 422, "/cursor", path="/history"),
    query(f"cursor={'A' * 513}", 422, "/cursor", path="/history"),
    query("", 422, "/task_id", path="/required"),
    query("task_id=", 422, "/task_id", path="/required"),
    query("limit=-1", 422, "/limit", method="POST", path="/sweep"),
    query("limit=1e999", 422, "/limit", method="POST", path="/sweep"),
    query("before=2026-03-01T09:00:00 08:00", 422, "/before", method="POST", path="/sweep"),
    query("before=2026-03-01T09:00:00+08:00", 422, "/before", method="POST", path="/sweep"),
    query("before=2026-03-01T09:00:00", 422, "/before", method="POST", path="/sweep"),
    query("before=0001-01-01T00:00:00%2B14:00", 422, "/before", method="POST", path="/sweep"),
    query("before=1767225600", 422, "/before", method="POST", path="/sweep"),
    query("async=maybe", 422, "/async", method="POST", path="/sweep"),
]
PATHS = [
    Bad("GET", "/nowhere", 404),
    Bad("GET", "/api/v1/nowhere", 404),
    Bad("GET", f"{THINGS}/not-a-uuid", 404),
    Bad("GET", f"{THINGS}/00000000-0000-7000-8000-0000000000ff", 404),
    Bad("GET", f"{THINGS}/{'9' * 4000}", 404),
    Bad("GET", f"{THINGS}/{KNOWN}%00", 404),
    Bad("GET", f"{THINGS}/by-code/a%00b", 404),
    Bad("GET", f"{THINGS}/by-code/%ff", 404),
    Bad("GET", f"{THINGS}/by-code/{'x' * 4000}", 404),
    Bad("GET", f"{THINGS}/sweep", 405),
    Bad("PUT", THINGS, 405),
    Bad("BREW", THINGS, 405),
    Bad("GET", f"{THINGS}/sql?statement=SELECT :value::text&value=x%00", 422, ("/value",)),
    Bad("PATCH", f"{THINGS}/{KNOWN}", 412, (), b'{"reason": "x"}', {**JSON, "If-Match": '"v2"'}),
    Bad("GET", THINGS, 400, (), None, {"Host": "a b"}),
]


TABLE = {"bodies": BODIES, "media types": MEDIA_TYPES, "queries": QUERIES, "paths": PATHS}


@pytest.mark.parametrize("group", TABLE)
async def test_bad_input_is_answered_with_its_status_and_pointers(client: AsyncClient, group: str) -> None:
    # One application for a whole group: a hundred databases would take longer than they tell.
    wrong = [f"{bad}: {fault}" for bad in TABLE[group] if (fault := await _fault(client, bad))]

    assert wrong == []


async def _fault(client: AsyncClient, bad: Bad) -> str | None:
    response = await client.request(bad.method, bad.path, content=bad.body, headers=bad.headers)
    if response.status_code != bad.status or response.headers["content-type"] != "application/problem+json":
        return f"{response.status_code} {response.text[:300]}"
    problem = response.json()
    said = (problem["instance"], problem["status"], problem["code"], problem["message"])
    if said != (response.headers["x-request-id"], bad.status, bad.status, problem["detail"]):
        return f"does not repeat itself: {problem}"
    pointers = tuple(each["pointer"] for each in problem.get("errors", ()))
    if pointers != bad.pointers:
        return f"points to {pointers}"
    if bad.status == 405 and not response.headers.get("allow"):
        return "says no Allow"
    return None


async def test_the_table_covers_every_status_that_input_can_cause() -> None:
    cases = [bad for group in TABLE.values() for bad in group]

    assert len(cases) >= 100
    assert {bad.status for bad in cases} == {400, 404, 405, 412, 413, 415, 422}


ALLOWED: list[tuple[str, str, bytes | None, dict[str, str]]] = [
    ("POST", "", thing(at="2026-03-01T09:00:00+08:00", day="2026-03-01", parts=[{"seq": 1}]), JSON),
    ("POST", "", thing(title="张三 \U0001f600"), {"Content-Type": "application/json; charset=UTF-8"}),
    ("POST", "", thing(), {"Content-Type": "application/merge-patch+json"}),
    ("GET", "?page=1&page_size=100&colour=red&colour=blue", None, {}),
    ("POST", "/sweep", None, {}),
    ("POST", "/sweep", b"", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("POST", "/sweep", b"{}", JSON),
    ("POST", "/sweep", b" \n", {"Content-Type": "text/plain"}),
    ("POST", "/sweep?before=2026-03-01T09:00:00%2B08:00&limit=5&async=true", None, {}),
    ("POST", "/reason", None, {}),
    ("POST", "/reason", b'{"reason": "x"}', JSON),
    ("POST", "/csv", b"a\n", {"Content-Type": "text/csv; header=present"}),
    ("GET", "/loose?token=a&utm_source=mail&token=b", None, {}),
    ("DELETE", f"/{KNOWN}", None, {}),
    ("POST", "/bulk", json.dumps({"rows": ["x" * 1000] * 4000}).encode(), JSON),
]


async def test_what_is_allowed_passes(client: AsyncClient) -> None:
    refused = []
    for method, path, body, headers in ALLOWED:
        response = await client.request(method, f"{THINGS}{path}", content=body, headers=headers)
        if response.status_code not in (200, 201):
            refused.append(f"{method} {path} {body!r}: {response.text}")

    assert refused == []


async def test_a_service_cannot_be_replaced_from_the_query(client: AsyncClient) -> None:
    response = await client.get(f"{THINGS}/loose", params={"engine": "evil", "paging": "evil"})

    assert response.status_code == 200


async def test_a_bug_tells_the_caller_nothing(client: AsyncClient) -> None:
    response = await client.get(f"{THINGS}/bug")

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    for word in ("hunter2", "db.internal", "Traceback", "RuntimeError", "litestar", "python"):
        assert word not in response.text
        assert word not in str(response.headers)


async def test_a_malformed_id_answers_exactly_as_an_absent_one(client: AsyncClient) -> None:
    answers = []
    for thing_id in ("00000000-0000-7000-8000-0000000000ff", "not-a-uuid", "1", "%20"):
        response = await client.get(f"{THINGS}/{thing_id}", headers={"X-Request-Id": "same"})
        # What is left of the caller's calls is less after each.
        del response.headers["ratelimit"]
        answers.append((response.status_code, response.text, dict(response.headers)))

    assert answers == [answers[0]] * 4
    assert "thing.absent" in answers[0][1]


async def test_a_malformed_id_is_no_way_past_authentication(stranger: AsyncClient) -> None:
    for thing_id in ("00000000-0000-7000-8000-0000000000ff", "not-a-uuid"):
        assert (await stranger.get(f"{THINGS}/{thing_id}")).status_code == 401


SQLSTATES = {
    "57014": (503, "unavailable"),
    "55P03": (503, "unavailable"),
    "40001": (503, "unavailable"),
    "40P01": (503, "unavailable"),
    "53100": (503, "database.full"),
    "53300": (503, "unavailable"),
    "57P01": (503, "unavailable"),
    "22003": (422, "invalid"),
    "22021": (422, "invalid"),
    "42501": (500, "internal"),
    "23505": (500, "internal"),
}


async def test_what_the_database_says_becomes_what_a_caller_can_do(client: AsyncClient) -> None:
    for sqlstate, expected in SQLSTATES.items():
        statement = f"DO $$ BEGIN RAISE EXCEPTION 'row with hunter2' USING ERRCODE = '{sqlstate}'; END $$"

        response = await client.get(f"{THINGS}/sql", params={"statement": statement})

        assert (response.status_code, response.json()["error"]) == expected, sqlstate
        assert response.headers.get("retry-after") == ("2" if expected[0] == 503 else None)
        assert "hunter2" not in response.text
