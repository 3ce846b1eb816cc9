import asyncio
from typing import Any

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


async def test_enrolling_makes_one_task_for_each_occasion(api):
    plan, testee = await make_plan(api), await make_testee(api)
    start = soon()

    answer = await api.post(
        f"{V1}/plans/enroll",
        json={"plan_id": plan["id"], "testee_id": testee["id"], "start_date": start},
    )

    joined = data_of(answer, 201)
    enrollment = joined["enrollment"]
    assert answer.headers["Location"] == f"{V1}/enrollments/{enrollment['id']}"
    assert joined["created"] is True
    assert (enrollment["round"], enrollment["start_date"], enrollment["tasks_left"]) == (1, start, 4)
    assert [(task["seq"], task["status"]) for task in joined["tasks"]] == [
        (seq, "pending") for seq in range(1, 5)
    ]
    assert {task["scale_code"] for task in joined["tasks"]} == {"PHQ-9"}
    shown = data_of(await api.get(f"{V1}/enrollments/{enrollment['id']}"))
    assert shown == enrollment | {"tasks": joined["tasks"]}


async def test_enrolling_again_answers_the_same_enrollment_and_tasks(api):
    plan, testee = await make_plan(api), await make_testee(api, external_id="P-1")
    first = await join(api, plan, testee)
    start = first["enrollment"]["start_date"]
    body = {"plan_id": plan["id"], "external_id": "P-1"}

    again = await api.post(f"{V1}/plans/enroll", json=body | {"start_date": start})
    other = await api.post(f"{V1}/plans/enroll", json=body | {"start_date": soon(9)})

    assert data_of(again, 200) == first | {"created": False}
    problem_of(other, 409, "enrollment.start_date_differs")


async def test_many_calls_at_once_make_one_enrollment(api):
    plan, testee = await make_plan(api), await make_testee(api)
    body = {"plan_id": plan["id"], "testee_id": testee["id"], "start_date": soon()}

    answers = await asyncio.gather(*(api.post(f"{V1}/plans/enroll", json=body) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["data"]["enrollment"]["id"] for answer in answers}) == 1


async def test_a_new_round_is_opened_only_when_asked_for(api):
    plan, testee = await make_plan(api), await make_testee(api)
    first = await join(api, plan, testee)
    await api.post(f"{V1}/plans/{plan['id']}/testees/{testee['id']}/terminate", json={"reason": "withdrawn"})
    body = {
        "plan_id": plan["id"],
        "testee_id": testee["id"],
        "start_date": first["enrollment"]["start_date"],
    }

    same = data_of(await api.post(f"{V1}/plans/enroll", json=body))
    second = data_of(await api.post(f"{V1}/plans/enroll", json=body | {"new_round": True}), 201)

    assert same["enrollment"]["id"] == first["enrollment"]["id"]
    assert (second["enrollment"]["round"], second["tasks"][0]["seq"]) == (2, 1)


async def test_a_paused_plan_takes_nobody_new(api):
    plan, testee = await make_plan(api), await make_testee(api)
    await api.post(f"{V1}/plans/{plan['id']}/pause")

    refused = await api.post(
        f"{V1}/plans/enroll", json={"plan_id": plan["id"], "testee_id": testee["id"], "start_date": soon()}
    )

    problem_of(refused, 409, "plan.not_active")


async def test_a_plan_that_lies_wholly_in_the_past_is_refused(api):
    plan, testee = await make_plan(api), await make_testee(api)

    refused = await api.post(
        f"{V1}/plans/enroll",
        json={"plan_id": plan["id"], "testee_id": testee["id"], "start_date": "2020-01-01"},
    )

    assert pointers_of(refused, "enrollment.entirely_past") == ["/start_date"]


REFUSED_ENROLLMENTS: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"testee_id": None}, "invalid", ["/testee_id"]),
    ({"external_id": "P-1"}, "invalid", ["/testee_id"]),
    ({"start_date": "2026-13-01"}, "plan.invalid_start_date", ["/start_date"]),
    ({"start_date": "1999-12-31"}, "plan.invalid_start_date", ["/start_date"]),
    ({"start_date": 20260701, "testee_id": None}, "invalid", ["/start_date", "/testee_id"]),
    ({"plan_id": "not-a-uuid"}, "invalid", ["/plan_id"]),
    ({"new_round": "yes"}, "invalid", ["/new_round"]),
    ({"status": "closed"}, "invalid", ["/status"]),
]


async def test_an_enrollment_that_breaks_a_rule_is_refused_with_pointers(api):
    for change, error, pointers in REFUSED_ENROLLMENTS:
        body = {"plan_id": ABSENT_ID, "testee_id": ABSENT_ID, "start_date": soon()}

        refused = await api.post(f"{V1}/plans/enroll", json=body | change)

        assert pointers_of(refused, error) == pointers


async def test_whoever_is_absent_or_of_another_tenant_cannot_be_enrolled(api, neighbour):
    plan = await make_plan(api)
    stranger = data_of(await api.post(f"{V1}/testees", json={"name": "x"}, headers=neighbour), 201)
    body = {"plan_id": plan["id"], "start_date": soon()}

    for who in (
        {"testee_id": ABSENT_ID},
        {"testee_id": stranger["id"]},
        {"external_id": "nobody"},
    ):
        problem_of(await api.post(f"{V1}/plans/enroll", json=body | who), 404, "testee.absent")


async def test_an_enrollment_is_paused_and_resumed_by_itself(api):
    enrollment = (await join(api, await make_plan(api)))["enrollment"]
    at = f"{V1}/enrollments/{enrollment['id']}"

    paused = data_of(await api.post(f"{at}/pause"))
    resumed = data_of(await api.post(f"{at}/resume", json={"policy": "skip"}))

    assert (paused["status"], resumed["status"]) == ("paused", "active")
    assert paused["paused_at"] is not None


async def test_an_enrollment_that_is_not_there_is_absent(api):
    for named in [ABSENT_ID, "x", f"{ABSENT_ID}0"]:
        for answer in (
            await api.get(f"{V1}/enrollments/{named}"),
            await api.post(f"{V1}/enrollments/{named}/pause"),
            await api.post(f"{V1}/enrollments/{named}/resume"),
        ):
            problem_of(answer, 404, "enrollment.absent")


async def test_terminating_cancels_what_is_left_and_repeating_it_changes_nothing(api):
    plan, testee = await make_plan(api), await make_testee(api, external_id="P-1")
    await join(api, plan, testee)
    at = f"{V1}/plans/{plan['id']}/testees/ext:P-1/terminate"

    ended = data_of(await api.post(at, json={"reason": "moved_away", "note": "to another city"}))
    again = data_of(await api.post(at, json={"reason": "moved_away"}))

    assert (ended["canceled"], ended["enrollment"]["status"]) == (4, "terminated")
    assert ended["enrollment"]["reason"] == "moved_away"
    assert again == {"enrollment": None, "canceled": 0}
    tasks = data_of(await api.get(f"{V1}/plans/{plan['id']}/tasks"))["items"]
    assert {(task["reason"], task["note"]) for task in tasks} == {
        ("enrollment_terminated", "to another city")
    }


async def test_a_reason_is_one_short_word(api):
    for body, pointer in [
        ({}, "/reason"),
        ({"reason": "Moved away"}, "/reason"),
        ({"reason": "x" * 65}, "/reason"),
        ({"reason": "moved\n"}, "/reason"),
        ({"reason": "moved", "note": "x" * 501}, "/note"),
    ]:
        refused = await api.post(f"{V1}/plans/{ABSENT_ID}/testees/{ABSENT_ID}/terminate", json=body)

        assert pointers_of(refused, "invalid") == [pointer]


async def test_terminating_names_what_is_not_there(api):
    plan = await make_plan(api)
    body = {"reason": "moved"}

    problem_of(await api.post(f"{V1}/plans/x/testees/{ABSENT_ID}/terminate", json=body), 404, "plan.absent")
    for testee in (ABSENT_ID, "x", "ext:", "ext:nobody"):
        at = f"{V1}/plans/{plan['id']}/testees/{testee}/terminate"
        problem_of(await api.post(at, json=body), 404, "testee.absent")


async def test_a_plans_enrollments_are_listed_by_status(api):
    plan = await make_plan(api)
    first, second = await join(api, plan), await join(api, plan)
    await api.post(f"{V1}/enrollments/{first['enrollment']['id']}/pause")

    everybody = data_of(await api.get(f"{V1}/plans/{plan['id']}/enrollments"))
    paused = data_of(await api.get(f"{V1}/plans/{plan['id']}/enrollments?status=paused"))

    assert everybody["total"] == 2
    assert everybody["items"][0] == second["enrollment"]
    assert [each["id"] for each in paused["items"]] == [first["enrollment"]["id"]]
    problem_of(await api.get(f"{V1}/plans/{ABSENT_ID}/enrollments"), 404, "plan.absent")
