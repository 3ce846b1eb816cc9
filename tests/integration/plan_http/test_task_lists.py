import csv
import io

from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    data_of,
    join,
    make_opened,
    make_plan,
    make_tasks,
    make_testee,
    pointers_of,
    problem_of,
    soon,
)

TASKS = f"{V1}/plans/tasks"


async def test_tasks_are_read_slice_by_slice_in_order_of_planned_at(api):
    plan = await make_plan(api)
    for _ in range(3):
        await join(api, plan)
    ids, cursor = [], None

    while True:
        params = {"page_size": 5} | ({"cursor": cursor} if cursor else {})
        page = data_of(await api.get(TASKS, params=params))
        ids += [(task["planned_at"], task["id"]) for task in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(set(ids)) == 12
    assert ids == sorted(ids)


async def test_tasks_are_filtered(api, container):
    opened = await make_opened(api, container)
    others = await make_tasks(api, total_times=2)

    async def found(**params: str) -> list[str]:
        return [task["id"] for task in data_of(await api.get(TASKS, params=params))["items"]]

    assert await found(plan_id=others[0]["plan_id"]) == [task["id"] for task in others]
    assert await found(testee_id=others[0]["testee_id"], planned_from=others[1]["planned_at"]) == [
        others[1]["id"]
    ]
    assert await found(testee_id=others[0]["testee_id"], planned_to=others[1]["planned_at"]) == [
        others[0]["id"]
    ]
    assert await found(status="opened") == [opened["id"]]
    assert await found(expires_before=opened["expires_at"]) == []
    assert await found(expires_before="2199-01-01T00:00:00Z") == [opened["id"]]
    assert await found(status="completed") == []


async def test_a_filter_that_cannot_be_meant_is_refused(api):
    for params, pointer in [
        ({"status": "done"}, "/status"),
        ({"planned_from": "2026-07-01"}, "/planned_from"),
        ({"planned_from": "2026-07-01T00:00:00 08:00"}, "/planned_from"),
        ({"planned_to": "0001-01-01T00:00:00+14:00"}, "/planned_to"),
        ({"page_size": "0"}, "/page_size"),
        ({"page_size": str(2**63)}, "/page_size"),
        ({"page": "1"}, "/page"),
    ]:
        assert pointers_of(await api.get(TASKS, params=params), "invalid") == [pointer]


async def test_a_cursor_that_was_not_given_out_is_refused(api):
    assert pointers_of(await api.get(TASKS, params={"cursor": "abc"}), "cursor.invalid") == ["/cursor"]


async def test_a_filter_that_names_nothing_is_absent(api):
    for named in [ABSENT_ID, "x"]:
        problem_of(await api.get(TASKS, params={"plan_id": named}), 404, "plan.absent")
        problem_of(await api.get(TASKS, params={"testee_id": named}), 404, "testee.absent")
        problem_of(await api.get(f"{V1}/plans/{named}/tasks"), 404, "plan.absent")


async def test_a_list_of_another_tenant_is_empty(api, neighbour):
    await make_tasks(api)

    assert data_of(await api.get(TASKS, headers=neighbour)) == {"items": [], "next_cursor": None}


async def test_a_spreadsheet_reads_the_tasks_as_csv(api):
    plan = await make_plan(api)
    testee = await make_testee(api, external_id="P-1")
    tasks = (await join(api, plan, testee, soon()))["tasks"]
    await api.post(f"{TASKS}/{tasks[0]['id']}/cancel", json={"reason": "moved", "note": "=1+1"})

    for path in (TASKS, f"{V1}/plans/{plan['id']}/tasks", f"{V1}/testees/ext:P-1/tasks"):
        answer = await api.get(path, headers={"Accept": "text/csv"}, params={"page_size": 3})

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["Vary"] == "Accept"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["id"] for row in rows] == [task["id"] for task in tasks[:3]]
        assert (rows[0]["note"], rows[1]["note"], rows[1]["pinned"]) == ("'=1+1", "", "false")
        assert rows[1]["planned_at"] == tasks[1]["planned_at"]
        following = answer.links["next"]["url"]
        rest = await api.get(following, headers={"Accept": "text/csv"})
        assert [row["id"] for row in csv.DictReader(io.StringIO(rest.text))] == [tasks[3]["id"]]
        assert "next" not in rest.links


async def test_the_media_type_is_the_one_the_caller_prefers(api):
    for accept, media in [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv, */*;q=0.1", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json, text/csv;q=0.9", "application/json"),
        ("text/csv;q=0", "application/json"),
        ("text/csv, application/json;q=x", "text/csv; charset=utf-8"),
        ("text/csv;q=inf", "application/json"),
        ("text/csv;q=nan;;,,", "application/json"),
        ("", "application/json"),
    ]:
        answer = await api.get(TASKS, headers={"Accept": accept})

        assert answer.headers["content-type"] == media
