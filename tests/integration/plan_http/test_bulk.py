from typing import Any

import pytest
from httpx import AsyncClient

from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    data_of,
    join,
    make_plan,
    make_testee,
    pointers_of,
    problem_of,
    soon,
)

CSV = {"Content-Type": "text/csv; charset=utf-8"}


async def counts_of(api: AsyncClient, plan: dict[str, Any]) -> tuple[int, int]:
    """How many are enrolled in the plan, and how many testees there are."""
    enrolled = data_of(await api.get(f"{V1}/plans/{plan['id']}/enrollments"))["total"]
    return enrolled, data_of(await api.get(f"{V1}/testees"))["total"]


@pytest.fixture
async def plan(api):
    return await make_plan(api)


@pytest.fixture
def at(plan):
    return f"{V1}/plans/{plan['id']}/enrollments/bulk"


async def test_rows_are_enrolled_each_by_itself(api, plan, at):
    known = await make_testee(api, external_id="P-1", name="Known")
    joined = await join(api, plan)
    rows = [
        {"external_id": "P-1", "start_date": soon(), "name": "Renamed"},
        {
            "external_id": "P-2",
            "start_date": soon(),
            "email": "p2@example.org",
            "timezone": "Europe/London",
            "locale": "en",
        },
        {
            "testee_id": joined["enrollment"]["testee_id"],
            "start_date": joined["enrollment"]["start_date"],
        },
        {"external_id": "P-3", "start_date": "yesterday"},
        {"testee_id": ABSENT_ID, "start_date": soon()},
        {"external_id": "P-2", "start_date": soon()},
    ]

    result = data_of(await api.post(at, json={"rows": rows}))

    assert [result[name] for name in ("total", "created", "existing", "failed")] == [6, 2, 2, 2]
    assert [(row["row"], row["result"], row["error"]) for row in result["rows"]] == [
        (1, "created", None),
        (2, "created", None),
        (3, "existing", None),
        (4, "failed", "bulk.row_invalid"),
        (5, "failed", "testee.absent"),
        (6, "existing", None),
    ]
    assert "left as it is" in result["rows"][0]["warning"]
    assert result["rows"][2]["enrollment_id"] == joined["enrollment"]["id"]
    assert result["rows"][5]["enrollment_id"] == result["rows"][1]["enrollment_id"]
    assert result["rows"][3]["detail"].startswith("start_date")
    assert data_of(await api.get(f"{V1}/testees/ext:P-1")) == known
    new = data_of(await api.get(f"{V1}/testees/ext:P-2"))
    assert (new["timezone"], new["contacts"]) == (
        "Europe/London",
        [{"channel": "email", "address": "p2@example.org"}],
    )
    assert (await api.get(f"{V1}/testees/ext:P-3")).status_code == 404


async def test_a_csv_with_a_byte_order_mark_and_a_bad_row_is_read(api, plan, at):
    lines = (
        "\ufeffexternal_id,start_date,name,email\r\n"
        f"P-1,{soon()},李雷,li@example.org\r\n"
        f",{soon()},x,\r\n"
        f"P-3,{soon()},x,x@example.org,more\r\n"
    )

    result = data_of(await api.post(at, content=lines.encode(), headers=CSV))

    assert [row["result"] for row in result["rows"]] == ["created", "failed", "failed"]
    assert data_of(await api.get(f"{V1}/testees/ext:P-1"))["name"] == "李雷"


async def test_a_csv_that_is_none_of_ours_is_refused_whole(api, at):
    for content, said in [
        (b"name,email\nx,y\n", "header"),
        (b"external_id,start_date,colour\nP-1,2026-07-01,red\n", "colour"),
        (b"external_id,start_date,start_date\nP-1,2026-07-01,2026-07-01\n", "twice"),
        (b"external_id,start_date\n\xff\xfe,2026-07-01\n", "UTF-8"),
        (b'external_id,start_date\n"P-1,2026-07-01\n', "line"),
        (b"", "header"),
    ]:
        refused = await api.post(at, content=content, headers=CSV)

        assert said in problem_of(refused, 422, "bulk.csv_invalid")["detail"]


async def test_a_dry_run_writes_nothing_and_names_no_id_that_was_not_made(api, plan, at):
    rows = [
        {"external_id": "P-1", "start_date": soon()},
        {"external_id": "P-1", "start_date": soon()},
        {"external_id": "P-2", "start_date": "2020-01-01"},
    ]

    result = data_of(await api.post(f"{at}?dry_run=true", json={"rows": rows}))

    assert [row["result"] for row in result["rows"]] == ["created", "existing", "failed"]
    assert result["rows"][2]["error"] == "enrollment.entirely_past"
    assert {(row["testee_id"], row["enrollment_id"]) for row in result["rows"]} == {(None, None)}
    assert await counts_of(api, plan) == (0, 0)


async def test_all_or_nothing_writes_nothing_when_a_row_fails(api, plan, at):
    known = await make_testee(api)
    rows = [
        {"testee_id": known["id"], "start_date": soon()},
        {"external_id": "P-2", "start_date": "never"},
    ]

    refused = await api.post(f"{at}?all_or_nothing=true", json={"rows": rows})

    problem = problem_of(refused, 422, "bulk.rows_failed")
    assert [problem[name] for name in ("total", "created", "existing", "failed")] == [2, 0, 0, 1]
    assert [(row["result"], row["enrollment_id"]) for row in problem["rows"]] == [
        ("not_written", None),
        ("failed", None),
    ]
    assert [each["pointer"] for each in problem["errors"]] == ["/rows/1"]
    assert await counts_of(api, plan) == (0, 1)


async def test_all_or_nothing_writes_all_when_no_row_fails(api, plan, at):
    rows = [{"external_id": f"P-{n}", "start_date": soon()} for n in range(5)]

    result = data_of(await api.post(f"{at}?all_or_nothing=true", json={"rows": rows}))

    assert (result["created"], result["failed"]) == (5, 0)
    assert await counts_of(api, plan) == (5, 5)


async def test_repeating_a_bulk_enrollment_finds_everybody_enrolled(api, plan, at):
    rows = [{"external_id": f"P-{n}", "start_date": soon()} for n in range(3)]
    first = data_of(await api.post(at, json={"rows": rows}))

    again = data_of(await api.post(at, json={"rows": rows}))

    assert (again["created"], again["existing"]) == (0, 3)
    assert [row["enrollment_id"] for row in again["rows"]] == [row["enrollment_id"] for row in first["rows"]]


@pytest.mark.parametrize("media", ["json", "csv"])
async def test_ten_thousand_and_one_rows_are_refused(api, plan, at, media):
    if media == "json":
        rows = [{"external_id": f"P-{n}", "start_date": soon()} for n in range(10_001)]
        refused = await api.post(at, json={"rows": rows})
    else:
        lines = ["external_id,start_date", *(f"P-{n},{soon()}" for n in range(10_001))]
        refused = await api.post(at, content="\n".join(lines), headers=CSV)

    assert pointers_of(refused, "bulk.too_many_rows") == ["/rows"]
    assert await counts_of(api, plan) == (0, 0)


async def test_bodies_are_read_up_to_sixteen_mebibytes(api, at):
    line = f"P-1,{soon()},{'x' * 200}\n"
    large = "external_id,start_date,name\n" + line * 6_000
    too_large = "external_id,start_date,name\n" + line * 80_000

    read = await api.post(f"{at}?dry_run=true", content=large, headers=CSV)
    refused = await api.post(f"{at}?dry_run=true", content=too_large, headers=CSV)

    assert len(large) > 1024 * 1024
    assert data_of(read)["total"] == 6_000
    assert refused.status_code == 413


async def test_a_body_without_rows_is_refused(api, at):
    for body, pointer in [
        ({"rows": []}, "/rows"),
        ({"rows": 5}, "/rows"),
        ({}, "/rows"),
        ({"rows": ["P-1"]}, "/rows/0"),
        ({"rows": [{"external_id": "P-1"}], "plan": 1}, "/plan"),
    ]:
        refused = await api.post(at, json=body)

        assert refused.status_code == 422
        assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]


async def test_what_is_neither_json_nor_csv_is_refused(api, at):
    as_form = await api.post(at, data={"rows": "1"})
    empty = await api.post(at)
    absent = await api.post(f"{V1}/plans/{ABSENT_ID}/enrollments/bulk", json={"rows": [{"external_id": "x"}]})

    assert as_form.status_code == 415
    assert empty.status_code == 400
    problem_of(absent, 404, "plan.absent")
