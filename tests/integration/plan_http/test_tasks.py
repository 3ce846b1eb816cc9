from typing import Any

import pytest

from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    data_of,
    is_uuid,
    make_due,
    make_opened,
    make_tasks,
    pointers_of,
    problem_of,
    run_out,
    task_of,
)

FIELDS = [
    "id",
    "tenant_id",
    "plan_id",
    "enrollment_id",
    "testee_id",
    "scale_code",
    "seq",
    "planned_at",
    "timezone",
    "due_at",
    "opened_at",
    "expires_at",
    "completed_at",
    "expired_at",
    "canceled_at",
    "status",
    "reason",
    "note",
    "pinned",
    "assessment_id",
    "schedule_revision",
    "version",
]


def command(task: dict[str, Any], name: str) -> str:
    return f"{V1}/plans/tasks/{task['id']}/{name}"


@pytest.fixture
async def tasks(api):
    """Four pending tasks, a week apart."""
    return await make_tasks(api)


@pytest.fixture
async def opened(api, container):
    return await make_opened(api, container)


async def test_a_task_is_shown_with_its_fields_and_never_a_token(api, opened):
    answer = await api.get(f"{V1}/plans/tasks/{opened['id']}")

    task = data_of(answer)
    assert list(task) == FIELDS
    assert (task["status"], task["seq"], task["pinned"]) == ("opened", 1, False)
    assert opened["entry"]["token"] not in answer.text


async def test_opening_a_due_task_shows_its_link_to_those_who_may_read_it(api, container, tasks, caller):
    problem_of(await api.post(command(tasks[0], "open")), 409, "task.not_due")
    await make_due(container, tasks[0])

    task = data_of(await api.post(command(tasks[0], "open")))

    assert task["status"] == "opened"
    assert list(task["entry"]) == ["token", "url", "expires_at"]
    assert is_uuid(task["entry"]["token"])
    assert task["entry"]["token"] in task["entry"]["url"]
    assert task["entry"]["expires_at"] == task["expires_at"]
    problem_of(await api.post(command(tasks[0], "open")), 409, "task.invalid_transition")
    reissued = await api.post(command(tasks[0], "reissue"), headers=await caller("tasks:write"))
    assert "entry" not in data_of(reissued)
    assert reissued.headers["Cache-Control"] == "no-store"


async def test_reading_a_link_needs_its_own_scope_and_is_audited(api, engine, opened, caller):
    at = command(opened, "entry")

    refused = await api.get(at, headers=await caller("tasks:read", "tasks:write"))
    answer = await api.get(at, headers=await caller("entry:read"))

    problem_of(refused, 403, "auth.scope_missing")
    assert data_of(answer) == opened["entry"]
    assert answer.headers["Cache-Control"] == "no-store"
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"SELECT set_config('qs.tenant_id', '{opened['tenant_id']}', true)")
        read = await connection.exec_driver_sql("SELECT count(*) FROM audit WHERE action = 'entry.read'")
        assert read.scalar() == 1


async def test_the_link_of_a_task_that_is_not_open_is_refused(api, tasks):
    problem_of(await api.get(command(tasks[0], "entry")), 409, "task.not_open")
    problem_of(await api.post(command(tasks[0], "reissue")), 409, "task.not_open")


async def test_a_new_link_replaces_the_old_one_and_keeps_its_expiry(api, opened):
    reissued = data_of(await api.post(command(opened, "reissue")))

    assert reissued["entry"]["token"] != opened["entry"]["token"]
    assert reissued["expires_at"] == opened["expires_at"]
    assert data_of(await api.get(command(opened, "entry"))) == reissued["entry"]


@pytest.mark.parametrize("where", ["body", "query"])
async def test_completing_takes_its_assessment_id_from_body_or_query(api, opened, where):
    given = {"json": {"assessment_id": "a-1"}} if where == "body" else {"params": {"assessment_id": "a-1"}}

    completed = data_of(await api.post(command(opened, "complete"), **given))
    again = data_of(await api.post(command(opened, "complete"), **given))

    assert (completed["status"], completed["assessment_id"]) == ("completed", "a-1")
    assert completed["completed_at"] is not None
    assert again == completed
    other = await api.post(command(opened, "complete"), json={"assessment_id": "a-2"})
    problem_of(other, 409, "task.invalid_transition")


async def test_an_assessment_id_is_given_once_and_well_formed(api):
    for body, query, pointer in [
        (None, {}, "/assessment_id"),
        ({"assessment_id": "a"}, {"assessment_id": "a"}, "/assessment_id"),
        ({"assessment_id": ""}, {}, "/assessment_id"),
        ({"assessment_id": "x" * 65}, {}, "/assessment_id"),
        ({"assessment_id": 5}, {}, "/assessment_id"),
        (None, {"assessment_id": " "}, "/assessment_id"),
        ({"assessment_id": "a", "score": 5}, {}, "/score"),
    ]:
        refused = await api.post(f"{V1}/plans/tasks/{ABSENT_ID}/complete", json=body, params=query)

        assert pointers_of(refused, "invalid") == [pointer]


async def test_a_task_is_not_completed_at_the_instant_its_link_runs_out(api, container, opened):
    await run_out(container, opened)

    refused = await api.post(command(opened, "complete"), json={"assessment_id": "a"})

    problem_of(refused, 409, "task.entry_expired")


async def test_canceling_takes_a_reason_and_repeating_it_changes_nothing(api, tasks):
    body = {"reason": "moved_away", "note": "rang us"}

    canceled = data_of(await api.post(command(tasks[0], "cancel"), json=body))
    again = data_of(await api.post(command(tasks[0], "cancel"), json={"reason": "other"}))

    assert (canceled["status"], canceled["reason"], canceled["note"]) == ("canceled", "moved_away", "rang us")
    assert again == canceled


async def test_a_cancellation_without_a_proper_reason_is_refused(api):
    for body, pointer in [
        ({}, "/reason"),
        ({"reason": "Moved"}, "/reason"),
        ({"reason": "a", "by": 1}, "/by"),
    ]:
        refused = await api.post(f"{V1}/plans/tasks/{ABSENT_ID}/cancel", json=body)

        assert pointers_of(refused, "invalid") == [pointer]


async def test_a_duty_account_expires_only_what_ran_out(api, container, opened, caller):
    duty = await caller("tasks:schedule")

    early = await api.post(command(opened, "expire"), headers=duty)
    await run_out(container, opened)
    expired = data_of(await api.post(command(opened, "expire"), headers=duty))

    problem_of(early, 403, "forbidden")
    assert (expired["status"], expired["reason"]) == ("expired", "entry_timeout")


async def test_an_operator_expires_an_opened_task_at_any_time_and_no_other(api, opened, tasks):
    expired = data_of(await api.post(command(opened, "expire")))
    again = data_of(await api.post(command(opened, "expire")))

    assert (expired["status"], expired["reason"]) == ("expired", "manual")
    assert again == expired
    problem_of(await api.post(command(tasks[0], "expire")), 409, "task.invalid_transition")


async def test_expiring_a_completed_task_is_refused(api, opened):
    data_of(await api.post(command(opened, "complete"), json={"assessment_id": "a"}))

    problem_of(await api.post(command(opened, "expire")), 409, "task.invalid_transition")
    problem_of(
        await api.post(command(opened, "cancel"), json={"reason": "late"}), 409, "task.invalid_transition"
    )


async def test_a_pending_task_is_rescheduled_and_stays_there(api, tasks):
    moved = data_of(
        await api.post(command(tasks[0], "reschedule"), json={"planned_at": "2098-07-01T09:00:00+08:00"})
    )
    data_of(await api.patch(f"{V1}/plans/{moved['plan_id']}", json={"trigger_time": "08:00"}))

    assert (moved["planned_at"], moved["pinned"]) == ("2098-07-01T01:00:00Z", True)
    assert moved["due_at"] == "2098-07-08T01:00:00Z"
    assert (await task_of(api, moved))["planned_at"] == moved["planned_at"]


async def test_an_instant_that_no_task_can_have_is_refused(api, tasks):
    for planned_at, error in [
        ("2020-01-01T00:00:00Z", "task.planned_in_past"),
        ("2098-07-01T09:00:00", "invalid"),
        ("2098-02-30T09:00:00Z", "invalid"),
        ("0001-01-01T00:00:00+14:00", "invalid"),
        ("9999-12-31T23:59:59-14:00", "invalid"),
        (1_800_000_000, "invalid"),
        (None, "invalid"),
    ]:
        refused = await api.post(command(tasks[0], "reschedule"), json={"planned_at": planned_at})

        assert pointers_of(refused, error) == ["/planned_at"]


async def test_an_explanation_tells_what_happened_and_what_comes_next(api, container, tasks):
    await make_due(container, tasks[0])
    await api.post(command(tasks[0], "open"))

    opened = data_of(await api.get(command(tasks[0], "explain")))
    pending = data_of(await api.get(command(tasks[1], "explain")))

    assert opened["status"] == "opened"
    assert [fact["fact"] for fact in opened["facts"]] == ["planned", "opened"]
    assert opened["facts"][1]["actor"].startswith("token:")
    assert set(opened["facts"][0]) == {"at", "fact", "actor", "reason"}
    assert [set(each) for each in opened["next"]] == [{"at", "what", "code"}] * 2
    assert pending["next"][0]["at"] == tasks[1]["planned_at"]


async def test_a_task_that_is_not_there_is_absent_everywhere(api):
    for named in [ABSENT_ID, "x", "schedules", f"{{{ABSENT_ID[:34]}}}"]:
        at = f"{V1}/plans/tasks/{named}"
        answers = [
            await api.get(at),
            await api.get(f"{at}/explain"),
            await api.get(f"{at}/entry"),
            await api.post(f"{at}/open"),
            await api.post(f"{at}/expire"),
            await api.post(f"{at}/reissue"),
            await api.post(f"{at}/cancel", json={"reason": "x"}),
            await api.post(f"{at}/complete", json={"assessment_id": "x"}),
            await api.post(f"{at}/reschedule", json={"planned_at": "2098-07-01T09:00:00Z"}),
        ]

        assert len({problem_of(answer, 404, "task.absent")["detail"] for answer in answers}) == 1


async def test_a_task_of_another_tenant_is_absent_and_stays_as_it_is(api, opened, neighbour):
    for answer in (
        await api.get(f"{V1}/plans/tasks/{opened['id']}", headers=neighbour),
        await api.get(command(opened, "entry"), headers=neighbour),
        await api.post(command(opened, "expire"), headers=neighbour),
        await api.post(command(opened, "reissue"), headers=neighbour),
    ):
        problem_of(answer, 404, "task.absent")
    assert (await task_of(api, opened))["status"] == "opened"


async def test_the_head_of_a_task_is_that_of_its_get(api, tasks):
    head = await api.head(f"{V1}/plans/tasks/{tasks[0]['id']}")
    got = await api.get(f"{V1}/plans/tasks/{tasks[0]['id']}")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_instants_are_in_utc(api, opened):
    for name in ("planned_at", "due_at", "opened_at", "expires_at"):
        assert opened[name].endswith("Z")


async def test_what_a_field_takes_is_told_in_words(api, tasks):
    refused = {
        "status": await api.get(f"{V1}/plans/tasks?status=open"),
        "reason": await api.post(command(tasks[0], "cancel"), json={"reason": "Moved away"}),
        "assessment_id": await api.post(command(tasks[0], "complete"), json={"assessment_id": "a\nb"}),
        "policy": await api.post(f"{V1}/plans/{tasks[0]['plan_id']}/resume", json={"policy": "later"}),
    }

    told = {
        name: (each["pointer"], each["detail"])
        for name, answer in refused.items()
        for each in problem_of(answer, 422, "invalid")["errors"]
    }
    assert told == {
        "status": ("/status", "must be one of pending, opened, completed, expired, canceled"),
        "reason": ("/reason", "must be 1 to 64 small letters and underscores, such as moved_away"),
        "assessment_id": ("/assessment_id", "must be text without control characters, and more than blanks"),
        "policy": ("/policy", "must be one of keep, skip, shift"),
    }
