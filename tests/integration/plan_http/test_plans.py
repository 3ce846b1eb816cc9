from typing import Any

from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    WEEKLY,
    data_of,
    is_uuid,
    join,
    make_plan,
    pointers_of,
    problem_of,
    soon,
)


async def test_a_plan_is_created_with_its_defaults_and_read_again(api):
    created = await api.post(f"{V1}/plans", json=WEEKLY)

    plan = data_of(created, 201)
    assert is_uuid(plan["id"])
    assert created.headers["Location"] == f"{V1}/plans/{plan['id']}"
    assert {name: plan[name] for name in WEEKLY} == WEEKLY
    assert (plan["status"], plan["version"]) == ("active", 1)
    assert (plan["trigger_time"], plan["timezone"]) == ("19:00:00", "Asia/Shanghai")
    assert [plan[name] for name in ("due_days", "entry_ttl_days", "catch_up_days")] == [7, 7, 7]
    assert (plan["catch_up"], plan["notify_on_expiry"], plan["reminders"]) == ("all", "staff", [])
    assert plan["relative_weeks"] is plan["fixed_dates"] is plan["paused_at"] is None
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}")) == plan


async def test_reminders_are_written_told_in_one_way_and_changed(api):
    body = WEEKLY | {"reminders": [{"after": "48h"}, {"before_expiry": "90m"}]}
    plan = data_of(await api.post(f"{V1}/plans", json=body), 201)
    assert plan["reminders"] == [{"after": "2d"}, {"before_expiry": "1h30m"}]
    where = f"{V1}/plans/{plan['id']}"

    renamed = data_of(await api.patch(where, json={"name": "Renamed"}))
    changed = data_of(await api.patch(where, json={"reminders": [{"after": "1d"}]}))
    emptied = data_of(await api.patch(where, json={"reminders": []}))

    assert renamed["reminders"] == plan["reminders"]
    assert (changed["reminders"], changed["revision"]) == ([{"after": "1d"}], 3)
    assert emptied["reminders"] == []


async def test_every_problem_of_a_plan_is_answered_at_once(api):
    body = {
        "name": "  ",
        "scale_code": "NOPE",
        "schedule_type": "custom",
        "interval": 2,
        "relative_weeks": [4, 2, -1],
        "trigger_time": "25:00",
        "timezone": ["Asia/Shanghai"],
        "due_days": 0,
        "catch_up": "some",
    }

    refused = await api.post(f"{V1}/plans", json=body)

    assert pointers_of(refused, "plan.invalid") == [
        "/catch_up",
        "/due_days",
        "/interval",
        "/name",
        "/relative_weeks/1",
        "/relative_weeks/2",
        "/scale_code",
        "/timezone",
        "/trigger_time",
    ]


REFUSED_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"scale_code": "NOPE"}, "plan.unknown_scale", "/scale_code"),
    ({"scale_code": 7}, "plan.unknown_scale", "/scale_code"),
    ({"timezone": "Mars/Olympus"}, "zone.unknown", "/timezone"),
    ({"schedule_type": "by_year"}, "plan.invalid_schedule", "/schedule_type"),
    ({"interval": 367}, "plan.invalid_schedule", "/interval"),
    ({"interval": True}, "plan.invalid_schedule", "/interval"),
    ({"interval": 2**63}, "invalid", "/interval"),
    ({"catch_up_days": 367}, "plan.invalid_terms", "/catch_up_days"),
    ({"fixed_dates": ["2026-02-30"]}, "plan.invalid_schedule", "/fixed_dates"),
    ({"colour": "red"}, "invalid", "/colour"),
    ({"status": "finished"}, "invalid", "/status"),
    ({"tenant_id": ABSENT_ID}, "invalid", "/tenant_id"),
    ({"reminders": [{"after": "2w"}]}, "plan.invalid_terms", "/reminders/0"),
    ({"reminders": [{"after": "2d"}], "entry_ttl_days": 2}, "plan.invalid_terms", "/reminders/0"),
]


async def test_a_field_that_breaks_its_rule_is_named(api):
    for change, error, pointer in REFUSED_FIELDS:
        refused = await api.post(f"{V1}/plans", json=WEEKLY | change)

        assert pointers_of(refused, error) == [pointer]


async def test_a_date_that_does_not_exist_is_refused(api):
    body = {"name": "n", "scale_code": "PHQ-9", "schedule_type": "fixed_date", "fixed_dates": ["2026-02-30"]}

    refused = await api.post(f"{V1}/plans", json=body)

    assert pointers_of(refused, "plan.invalid_schedule") == ["/fixed_dates/0"]


async def test_plans_are_listed_by_status_and_scale_page_by_page(api):
    plans = [await make_plan(api, name=f"plan {n}") for n in range(3)]
    await api.post(f"{V1}/plans/{plans[0]['id']}/pause")
    gad = await make_plan(api, scale_code="GAD-7")

    first = data_of(await api.get(f"{V1}/plans?page_size=2&scale_code=PHQ-9"))
    second = data_of(await api.get(f"{V1}/plans?page_size=2&page=2&scale_code=PHQ-9"))
    paused = data_of(await api.get(f"{V1}/plans?status=paused"))
    other = data_of(await api.get(f"{V1}/plans?scale_code=GAD-7"))

    assert [plan["name"] for plan in first["items"] + second["items"]] == ["plan 2", "plan 1", "plan 0"]
    assert (first["total"], first["page"], second["page"], first["page_size"]) == (3, 1, 2, 2)
    assert [plan["id"] for plan in paused["items"]] == [plans[0]["id"]]
    assert [plan["id"] for plan in other["items"]] == [gad["id"]]


async def test_a_query_that_a_list_does_not_take_is_refused(api):
    for query, pointer in [
        ("page=0", "/page"),
        ("page_size=101", "/page_size"),
        ("status=sleeping", "/status"),
        ("scale_code=", "/scale_code"),
        ("sort=name", "/sort"),
    ]:
        assert pointers_of(await api.get(f"{V1}/plans?{query}"), "invalid") == [pointer]


async def test_an_edit_changes_what_it_names_and_reschedules_pending_tasks(api):
    plan = await make_plan(api, relative_weeks=None)
    tasks = (await join(api, plan))["tasks"]

    edited = data_of(
        await api.patch(
            f"{V1}/plans/{plan['id']}", json={"total_times": 3, "catch_up_days": None, "fixed_dates": None}
        )
    )

    assert (edited["total_times"], edited["interval"], edited["catch_up_days"]) == (3, 1, None)
    assert (edited["version"], edited["revision"]) == (2, 2)
    listed = data_of(await api.get(f"{V1}/plans/{plan['id']}/tasks"))["items"]
    assert [(task["id"], task["status"]) for task in listed] == [
        (task["id"], "canceled" if task["seq"] == 4 else "pending") for task in tasks
    ]
    assert listed[3]["reason"] == "schedule_edited"


async def test_a_dry_run_answers_the_difference_and_writes_nothing(api):
    plan = await make_plan(api, total_times=2)
    tasks = (await join(api, plan))["tasks"]

    edit = data_of(
        await api.patch(f"{V1}/plans/{plan['id']}?dry_run=true", json={"interval": 2, "total_times": 3})
    )

    assert edit["counts"] == {"reschedule": 1, "create": 1, "cancel": 0}
    moved, created = edit["changes"]
    assert (moved["task_id"], moved["seq"], moved["action"]) == (tasks[1]["id"], 2, "reschedule")
    assert moved["from"] == tasks[1]["planned_at"] < moved["to"]
    assert (created["task_id"], created["seq"], created["from"]) == (None, 3, None)
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}")) == plan
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}/tasks"))["items"] == tasks


async def test_a_null_that_says_nothing_is_refused(api):
    for change, error, pointer in [
        ({"timezone": None}, "invalid", "/timezone"),
        ({"trigger_time": None}, "invalid", "/trigger_time"),
        ({"scale_code": None}, "invalid", "/scale_code"),
        ({"catch_up": None}, "invalid", "/catch_up"),
        ({"name": None}, "plan.invalid_terms", "/name"),
        ({"due_days": None}, "plan.invalid_terms", "/due_days"),
        ({"interval": None}, "plan.invalid_schedule", "/interval"),
        ({"version": 7}, "invalid", "/version"),
    ]:
        plan = await make_plan(api)

        refused = await api.patch(f"{V1}/plans/{plan['id']}", json=change)

        assert pointers_of(refused, error) == [pointer]


async def test_scale_and_schedule_type_are_fixed_once_somebody_is_enrolled(api):
    plan = await make_plan(api)
    data_of(await api.patch(f"{V1}/plans/{plan['id']}", json={"scale_code": "GAD-7"}))
    await join(api, plan)

    refused = await api.patch(f"{V1}/plans/{plan['id']}", json={"scale_code": "PHQ-9"})

    problem_of(refused, 409, "plan.field_fixed")


async def test_a_plan_is_paused_resumed_and_finished_and_repeating_a_command_succeeds(api):
    plan = await make_plan(api)
    tasks = (await join(api, plan))["tasks"]
    at = f"{V1}/plans/{plan['id']}"

    for command, status in [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "active"),
        ("resume", "active"),
        ("finish", "finished"),
        ("finish", "finished"),
    ]:
        assert data_of(await api.post(f"{at}/{command}"))["status"] == status

    problem_of(await api.post(f"{at}/cancel"), 409, "plan.invalid_transition")
    problem_of(await api.patch(at, json={"name": "late"}), 409, "plan.invalid_transition")
    ended = data_of(await api.get(f"{at}/tasks"))["items"]
    assert {(task["status"], task["reason"]) for task in ended} == {("canceled", "plan_finished")}
    assert len(ended) == len(tasks)


async def test_canceling_a_plan_terminates_its_enrollments(api):
    plan = await make_plan(api)
    enrollment = (await join(api, plan))["enrollment"]

    assert data_of(await api.post(f"{V1}/plans/{plan['id']}/cancel"))["status"] == "canceled"

    ended = data_of(await api.get(f"{V1}/enrollments/{enrollment['id']}"))
    assert (ended["status"], ended["reason"], ended["tasks_left"]) == ("terminated", "plan_canceled", 0)


async def test_resuming_takes_a_policy_and_no_other_word(api):
    plan = await make_plan(api)
    fixed = await make_plan(
        api, schedule_type="fixed_date", fixed_dates=["2099-01-01"], interval=None, total_times=None
    )
    await api.post(f"{V1}/plans/{plan['id']}/pause")
    await api.post(f"{V1}/plans/{fixed['id']}/pause")

    refused = await api.post(f"{V1}/plans/{plan['id']}/resume", json={"policy": "forget"})
    impossible = await api.post(f"{V1}/plans/{fixed['id']}/resume", json={"policy": "shift"})
    resumed = await api.post(f"{V1}/plans/{plan['id']}/resume", json={"policy": "shift"})

    assert pointers_of(refused, "invalid") == ["/policy"]
    problem_of(impossible, 409, "plan.fixed_dates_cannot_shift")
    assert data_of(resumed)["status"] == "active"


async def test_a_preview_tells_occasions_with_gaps_and_writes_nothing(api):
    body = {
        "schedule_type": "by_day",
        "interval": 1,
        "total_times": 2,
        "trigger_time": "02:30",
        "timezone": "America/New_York",
        "start_date": "2026-03-08",
    }

    preview = data_of(await api.post(f"{V1}/plans/preview", json=body))

    assert preview["occasions"] == [
        {
            "seq": 1,
            "date": "2026-03-08",
            "planned_at": "2026-03-08T07:00:00Z",
            "due_at": "2026-03-15T07:00:00Z",
            "flag": "gap",
        },
        {
            "seq": 2,
            "date": "2026-03-09",
            "planned_at": "2026-03-09T06:30:00Z",
            "due_at": "2026-03-16T06:30:00Z",
            "flag": None,
        },
    ]
    assert preview["skipped"] == []
    assert data_of(await api.get(f"{V1}/plans"))["total"] == 0


async def test_a_preview_names_dates_the_zone_leaves_out(api):
    body = {
        "schedule_type": "by_day",
        "interval": 1,
        "total_times": 2,
        "timezone": "Pacific/Apia",
        "start_date": "2011-12-30",
    }

    preview = data_of(await api.post(f"{V1}/plans/preview", json=body))

    assert preview["skipped"] == ["2011-12-30"]
    assert [occasion["seq"] for occasion in preview["occasions"]] == [1]


REFUSED_PREVIEWS: list[tuple[dict[str, Any], str, str]] = [
    ({"start_date": None}, "plan.invalid_start_date", "/start_date"),
    ({"start_date": "2026-02-30"}, "plan.invalid_start_date", "/start_date"),
    (
        {"start_date": "2099-12-31", "total_times": 100, "interval": 366},
        "plan.occasion_out_of_range",
        "/start_date",
    ),
    ({"name": "x"}, "invalid", "/name"),
]


async def test_a_preview_refuses_what_cannot_be_planned(api):
    for change, error, pointer in REFUSED_PREVIEWS:
        body = {"schedule_type": "by_week", "interval": 1, "total_times": 4, "start_date": "2026-07-01"}

        refused = await api.post(f"{V1}/plans/preview", json=body | change)

        assert pointers_of(refused, error) == [pointer]


async def test_an_edit_that_plans_too_far_ahead_points_at_no_field_that_its_body_has_not(api):
    plan = await make_plan(api, schedule_type="by_month", interval=366, total_times=4)
    await join(api, plan, start="2099-12-31")

    refused = await api.patch(f"{V1}/plans/{plan['id']}", json={"total_times": 5})

    assert pointers_of(refused, "plan.occasion_out_of_range") == [""]


async def test_an_id_that_is_absent_malformed_or_foreign_is_answered_alike(api, neighbour):
    for named in [ABSENT_ID, "not-a-uuid", "0198f0c2"]:
        foreign = (await make_plan(api))["id"]

        answers = [
            await api.get(f"{V1}/plans/{named}"),
            await api.get(f"{V1}/plans/{foreign}", headers=neighbour),
            await api.post(f"{V1}/plans/{named}/pause"),
            await api.patch(f"{V1}/plans/{named}", json={"name": "x"}),
        ]

        bodies = [problem_of(answer, 404, "plan.absent") for answer in answers]
        assert len({body["detail"] for body in bodies}) == 1


async def test_a_literal_path_keeps_its_405(api):
    for path in ("plans/enroll", "plans/preview", "plans/tasks/schedule", "plan/tasks/expire"):
        refused = await api.get(f"{V1}/{path}")

        problem_of(refused, 405, "method.not_allowed")
        assert "POST" in refused.headers["Allow"]
    assert (await api.get(f"{V1}/plans/{ABSENT_ID}/pause")).status_code == 405


async def test_an_edit_under_if_match_meets_no_other_version(api):
    plan = await make_plan(api)
    at = f"{V1}/plans/{plan['id']}"
    tag = (await api.get(at)).headers["ETag"]

    first = await api.patch(at, json={"name": "mine"}, headers={"If-Match": tag})
    second = await api.patch(at, json={"name": "yours"}, headers={"If-Match": tag})
    paused = await api.post(f"{at}/pause", headers={"If-Match": tag})

    assert data_of(first)["name"] == "mine"
    assert first.headers["ETag"] != tag
    problem_of(second, 412, "precondition.failed")
    problem_of(paused, 412, "precondition.failed")
    assert data_of(await api.get(at))["name"] == "mine"
    unchanged = await api.get(at, headers={"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_repeating_a_creation_under_one_key_creates_one_plan(api):
    key = {"Idempotency-Key": "plan-1"}

    first = await api.post(f"{V1}/plans", json=WEEKLY, headers=key)
    again = await api.post(f"{V1}/plans", json=WEEKLY, headers=key)
    other = await api.post(f"{V1}/plans", json=WEEKLY | {"name": "x"}, headers=key)

    assert data_of(first, 201) == data_of(again, 201)
    problem_of(other, 422, "idempotency.mismatch")
    assert data_of(await api.get(f"{V1}/plans"))["total"] == 1


async def test_a_body_that_is_no_json_object_is_refused(api):
    as_text = await api.post(f"{V1}/plans", content="{}", headers={"Content-Type": "text/plain"})
    as_list = await api.post(f"{V1}/plans", json=[WEEKLY])
    too_deep = await api.post(
        f"{V1}/plans", content="[" * 100_000, headers={"Content-Type": "application/json"}
    )
    too_large = await api.post(f"{V1}/plans", json={"name": "x" * 2 * 1024 * 1024})

    assert as_text.status_code == 415
    assert as_list.status_code == 422
    assert too_deep.status_code == 400
    assert too_large.status_code == 413


async def test_a_plan_in_another_zone_starts_on_its_own_dates(api, neighbour):
    plan = data_of(await api.post(f"{V1}/plans", json=WEEKLY, headers=neighbour), 201)

    assert plan["timezone"] == "Europe/London"
    problem_of(
        await api.post(
            f"{V1}/plans/enroll",
            json={"plan_id": plan["id"], "external_id": "P-1", "start_date": soon()},
        ),
        404,
        "plan.absent",
    )
