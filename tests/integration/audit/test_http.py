"""``GET /audit`` as others program against it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from httpx import AsyncClient

from qs.application.kernel import audit_reading
from qs.application.kernel.audit_sealing import AuditSealing
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.integration.plan_http.steps import data_of, make_opened, pointers_of, problem_of

from .conftest import Write

AUDIT = "/api/v1/audit"
OTHER = UUID("00000000-0000-7000-8000-0000000000aa")


async def actions(api: AsyncClient, **query: Any) -> list[str]:
    page = data_of(await api.get(AUDIT, params=query))
    return [item["action"] for item in page["items"]]


async def test_the_log_is_read_newest_first_and_page_by_page(api: AsyncClient, write: Write) -> None:
    await write(*"abcde")

    first = data_of(await api.get(AUDIT, params={"page_size": 3}))
    rest = data_of(await api.get(AUDIT, params={"page_size": 3, "cursor": first["next_cursor"]}))

    read = [item["action"] for item in first["items"] + rest["items"]]
    assert read == ["e", "d", "c", "b", "a", "token.issued"]
    assert rest["next_cursor"] is None


async def test_a_record_says_where_it_stands_once_it_is_sealed(
    api: AsyncClient, write: Write, sealing: AuditSealing
) -> None:
    await write("a", count=3)
    (fresh,) = data_of(await api.get(AUDIT, params={"action": "a"}))["items"]
    await sealing.round()
    (sealed,) = data_of(await api.get(AUDIT, params={"action": "a"}))["items"]
    (before,) = data_of(await api.get(AUDIT, params={"action": "token.issued"}))["items"]

    places = ("v", "position", "prev", "sealed_at", "hash")
    assert [fresh[name] for name in places] == [None] * 5
    assert (sealed["v"], sealed["position"], sealed["prev"]) == (1, 2, before["hash"])
    assert (before["position"], before["prev"]) == (1, 64 * "0")
    assert (sealed["actor"], sealed["subject_kind"], sealed["detail"]) == ("user:anna", "plan", {"count": 3})
    assert {k: v for k, v in sealed.items() if k not in places} == {
        k: v for k, v in fresh.items() if k not in places
    }


async def test_the_log_is_narrowed_by_action_actor_subject_and_time(
    api: AsyncClient, write: Write, truth: asyncpg.Connection
) -> None:
    await write("a", "b")
    await write("c", actor="cli:root")
    subject = await truth.fetchval("SELECT object_id FROM audit WHERE action = 'b'")
    at = await truth.fetchval("SELECT at FROM audit WHERE action = 'b'")

    assert await actions(api, action="a") == ["a"]
    assert await actions(api, actor="cli:root") == ["c"]
    assert await actions(api, subject=subject) == ["b"]
    assert await actions(api, **{"from": at.isoformat()}) == ["c", "b"]
    assert await actions(api, to=at.isoformat()) == ["a", "token.issued"]
    assert await actions(api, **{"from": at.isoformat(), "actor": "user:anna"}) == ["b"]
    assert await actions(api, subject=str(uuid4())) == []
    ahead = datetime.now(UTC) + timedelta(days=3)
    assert await actions(api, **{"from": ahead.isoformat()}) == []


async def test_a_filter_that_seldom_fits_looks_at_a_bounded_number_and_goes_on(
    api: AsyncClient, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_reading, "MOST_LOOKED_AT", 4)
    await write("rare", *["usual"] * 9)

    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor:
        query = {"action": "rare"} | ({"cursor": cursor} if cursor else {})
        page = data_of(await api.get(AUDIT, params=query))
        pages.append([item["action"] for item in page["items"]])
        cursor = page["next_cursor"]

    assert pages == [[], [], ["rare"]]


async def test_another_tenants_log_is_not_read(api: AsyncClient, write: Write, sealing: AuditSealing) -> None:
    await write("theirs", tenant_id=OTHER)
    await sealing.round()

    assert await actions(api) == ["token.issued"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("action=", "/action"),
        (f"action={'x' * 101}", "/action"),
        (f"actor={'x' * 201}", "/actor"),
        ("subject=x", "/subject"),
        ("from=yesterday", "/from"),
        ("from=2026-03-01T09:00:00", "/from"),
        ("to=0001-01-01T00:00:00%2B14:00", "/to"),
        ("page_size=101", "/page_size"),
        ("page_size=0", "/page_size"),
        ("tenant=x", "/tenant"),
    ],
)
async def test_what_cannot_be_asked_is_refused(api: AsyncClient, query: str, pointer: str) -> None:
    assert pointers_of(await api.get(f"{AUDIT}?{query}"), "invalid") == [pointer]


async def test_a_made_up_cursor_is_refused(api: AsyncClient) -> None:
    problem_of(await api.get(f"{AUDIT}?cursor=AAAA"), 422, "cursor.invalid")


async def test_only_who_may_read_the_log_reads_it(stranger: AsyncClient, container: Container) -> None:
    statuses = []
    for scope in ("plans:read", "audit:read"):
        issued = await container.token_issuing().issue(
            DEFAULT_TENANT, [scope], timedelta(minutes=5), actor="test"
        )
        answer = await stranger.get(AUDIT, headers={"Authorization": f"Bearer {issued.token}"})
        statuses.append(answer.status_code)

    assert statuses == [403, 200]
    assert (await stranger.get(AUDIT)).status_code == 401


async def test_no_link_and_no_token_is_in_the_log(
    api: AsyncClient, container: Container, truth: asyncpg.Connection
) -> None:
    opened = await make_opened(api, container)
    link = opened["entry"]
    await api.get(f"/api/v1/plans/tasks/{opened['id']}/entry")
    submission = {"token": link["token"], "task_id": opened["id"], "assessment_id": "a-1"}
    data_of(await api.post("/api/v1/entries/submit", json=submission))

    log = await truth.fetchval("SELECT string_agg(audit::text, ' ') FROM audit")

    assert "entry.read" in log
    assert link["token"] not in log
    assert link["url"] not in log
    assert api.headers["Authorization"].removeprefix("Bearer ") not in log


async def test_erasing_somebody_leaves_the_chain_as_it_is_and_nothing_of_them_in_it(
    api: AsyncClient, container: Container, sealing: AuditSealing, truth: asyncpg.Connection
) -> None:
    person = {
        "external_id": "MRN-4711",
        "name": "Hildegard von Bingen",
        "contacts": [{"channel": "email", "address": "hildegard@abbey.example.org"}],
        "guardians": [
            {"name": "Jutta", "contacts": [{"channel": "phone", "address": "+4967111111"}]},
        ],
    }
    testee = data_of(await api.post("/api/v1/testees", json=person), 201)
    plan = {
        "name": "Follow-up",
        "scale_code": "PHQ-9",
        "schedule_type": "by_week",
        "interval": 1,
        "total_times": 2,
    }
    plan_id = data_of(await api.post("/api/v1/plans", json=plan), 201)["id"]
    rows = [{"external_id": "MRN-4711", "start_date": "2030-01-01"}]
    await api.post(f"/api/v1/plans/{plan_id}/enrollments/bulk", json={"rows": rows})
    await api.put(f"/api/v1/testees/{testee['id']}", json=person | {"name": "Hildegard"})
    await sealing.round()
    head = (await container.audit_reading().verify(DEFAULT_TENANT)).head
    assert head is not None

    data_of(await api.delete(f"/api/v1/testees/{testee['id']}"))
    await sealing.round()

    verdict = await container.audit_reading().verify(DEFAULT_TENANT, [head])
    assert (verdict.flaw, verdict.records) == (None, head.position + 1)
    log = await truth.fetchval("SELECT string_agg(audit::text, ' ') FROM audit")
    assert "testee.erased" in log
    for secret in ("MRN-4711", "Hildegard", "hildegard@", "Jutta", "+4967111111"):
        assert secret not in log, secret
