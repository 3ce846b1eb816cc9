from json import dumps
from urllib.parse import quote
from uuid import uuid4

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

SOMEBODY = {
    "external_id": "P-0001",
    "name": "李雷",
    "timezone": "Europe/London",
    "locale": "zh_CN",
    "contacts": [{"channel": "email", "address": "li.lei@example.org"}],
    "guardians": [{"name": "Li Ming", "contacts": [{"channel": "phone", "address": "+86 10 5555 0100"}]}],
    "opt_outs": [{"channel": "phone"}],
}


async def test_a_testee_is_created_and_found_by_either_id(api):
    plan = await make_plan(api)
    body = SOMEBODY | {"opt_outs": [{"channel": "phone", "plan_id": plan["id"]}]}

    created = await api.post(f"{V1}/testees", json=body)

    testee = data_of(created, 201)
    assert created.headers["Location"] == f"{V1}/testees/{testee['id']}"
    assert {name: testee[name] for name in body} == body | {"locale": "zh"}
    assert (testee["version"], testee["erased_at"]) == (1, None)
    assert data_of(await api.get(f"{V1}/testees/{testee['id']}")) == testee
    assert data_of(await api.get(f"{V1}/testees/ext:P-0001")) == testee
    assert data_of(await api.get(f"{V1}/testees"))["items"] == [testee]


async def test_an_external_id_may_hold_what_paths_need_to_encode(api):
    for external_id in [
        "42 A",
        "编号7",
        "a:b",
        "ext:1",
        "100%",
        "?x=1#y",
        "a/b",
        "/",
        "a//b/",
        "a%2Fb",
        "a/编",
    ]:
        testee = await make_testee(api, external_id=external_id)

        found = await api.get(f"{V1}/testees/ext:{quote(external_id, safe='')}")

        assert data_of(found)["id"] == testee["id"]


async def test_an_external_id_with_a_slash_is_taken_by_every_path(api):
    testee = await make_testee(api, external_id="ward 7/12")
    plan = await make_plan(api)
    await join(api, plan, testee)
    named = f"{V1}/testees/ext:ward%207%2f12"

    assert data_of(await api.get(f"{named}/plans"))["total"] == 1
    assert len(data_of(await api.get(f"{named}/tasks"))["items"]) == 4
    assert (await api.head(named)).status_code == 200
    assert (await api.get(f"{V1}/statistics/testees/ext:ward%207%2F12")).status_code == 200
    terminate = f"{V1}/plans/{plan['id']}/testees/ext:ward%207%2F12/terminate"
    assert data_of(await api.post(terminate, json={"reason": "withdrawn"}))["canceled"] == 4
    data_of(await api.put(named, json={"external_id": "ward 7/12", "name": "Lei"}))
    problem_of(await api.post(named), 405, "method.not_allowed")
    data_of(await api.delete(named))
    problem_of(await api.get(named), 404, "testee.absent")


async def test_a_slash_that_is_not_escaped_parts_segments_as_ever(api):
    await make_testee(api, external_id="a/b")

    problem_of(await api.get(f"{V1}/testees/ext:a/b"), 404, "absent")
    problem_of(await api.get(f"{V1}%2Ftestees"), 404, "absent")
    problem_of(await api.get(f"{V1}/plans/a%2Fb"), 404, "plan.absent")


async def test_the_next_page_of_a_spreadsheet_is_where_the_first_was(api):
    for external_id in ["a/b", "编号 7"]:
        testee = await make_testee(api, external_id=external_id)
        joined = await join(api, await make_plan(api), testee)
        path = f"{V1}/testees/ext:{quote(external_id, safe='')}/tasks"
        csv = {"Accept": "text/csv"}

        first = await api.get(path, params={"page_size": 3}, headers=csv)
        following = await api.get(first.headers["Link"].partition(">")[0].removeprefix("<"), headers=csv)

        assert [len(page.text.splitlines()) for page in (first, following)] == [4, 2]
        assert joined["tasks"][-1]["id"] in following.text


async def test_every_problem_of_a_testee_is_answered_at_once_and_none_repeats_what_was_sent(api):
    body = {
        "external_id": "",
        "name": "secret\u0007name",
        "timezone": "Mars/Olympus",
        "locale": "fr",
        "contacts": [{"channel": "email", "address": "secret-no-address"}, {"channel": "pigeon"}, 5],
        "guardians": [{"contacts": [{"channel": "phone", "address": "secret"}], "age": 50}],
        "opt_outs": [{"channel": "pigeon", "plan_id": "x"}],
    }

    refused = await api.post(f"{V1}/testees", json=body)

    assert pointers_of(refused, "invalid") == [
        "/contacts/0/address",
        "/contacts/1/channel",
        "/contacts/2",
        "/external_id",
        "/guardians/0/age",
        "/guardians/0/contacts/0/address",
        "/guardians/0/name",
        "/locale",
        "/name",
        "/opt_outs/0/channel",
        "/opt_outs/0/plan_id",
        "/timezone",
    ]
    assert "secret" not in refused.text


async def test_a_field_of_a_testee_that_breaks_its_rule_is_named(api):
    for body, error, pointer in [
        ({"contacts": [{"channel": "email", "address": "a@b.org"}] * 21}, "invalid", "/contacts"),
        ({"contacts": None}, "invalid", "/contacts"),
        ({"opt_outs": [{"channel": "email", "plan_id": ABSENT_ID}]}, None, "/opt_outs/0/plan_id"),
        ({"erased_at": "2026-01-01T00:00:00Z"}, "invalid", "/erased_at"),
        ({"name": 5}, "invalid", "/name"),
        ({"name": "\ud800"}, "invalid", "/name"),
    ]:
        refused = await api.post(
            f"{V1}/testees", content=dumps(body), headers={"Content-Type": "application/json"}
        )

        assert pointers_of(refused, error or "testee.unknown_plan") == [pointer]


async def test_an_external_id_is_taken_once(api, neighbour):
    await make_testee(api, external_id="P-1")
    other = await make_testee(api, external_id="P-2")

    problem_of(await api.post(f"{V1}/testees", json={"external_id": "P-1"}), 409, "testee.external_id_taken")
    problem_of(
        await api.put(f"{V1}/testees/{other['id']}", json={"external_id": "P-1"}),
        409,
        "testee.external_id_taken",
    )
    data_of(await api.post(f"{V1}/testees", json={"external_id": "P-1"}, headers=neighbour), 201)


async def test_replacing_forgets_what_is_left_out(api):
    testee = data_of(await api.post(f"{V1}/testees", json=SOMEBODY), 201)

    replaced = data_of(await api.put(f"{V1}/testees/ext:P-0001", json={"name": "Lei"}))

    assert (replaced["id"], replaced["name"], replaced["version"]) == (testee["id"], "Lei", 2)
    assert replaced["external_id"] is replaced["timezone"] is None
    assert replaced["contacts"] == replaced["guardians"] == replaced["opt_outs"] == []


async def test_erasing_forgets_the_person_and_ends_what_they_follow(api):
    testee = data_of(await api.post(f"{V1}/testees", json=SOMEBODY), 201)
    joined = await join(api, await make_plan(api), testee)

    erased = data_of(await api.delete(f"{V1}/testees/ext:P-0001"))
    again = data_of(await api.delete(f"{V1}/testees/{testee['id']}"))

    assert erased["erased_at"] is not None
    assert erased["name"] is erased["external_id"] is None
    assert erased["contacts"] == erased["guardians"] == []
    assert again == erased
    enrollment = data_of(await api.get(f"{V1}/enrollments/{joined['enrollment']['id']}"))
    assert (enrollment["status"], enrollment["reason"]) == ("terminated", "testee_erased")
    assert data_of(await api.get(f"{V1}/testees"))["total"] == 0
    problem_of(await api.get(f"{V1}/testees/ext:P-0001"), 404, "testee.absent")
    problem_of(await api.put(f"{V1}/testees/{testee['id']}", json={}), 409, "testee.erased")


async def test_erasing_forgets_what_was_answered_when_the_testee_was_created(api):
    once, others = {"Idempotency-Key": "a-key"}, {"Idempotency-Key": "another-key"}
    testee = data_of(await api.post(f"{V1}/testees", json=SOMEBODY, headers=once), 201)
    other = data_of(await api.post(f"{V1}/testees", json={"name": "Han Mei"}, headers=others), 201)

    await api.delete(f"{V1}/testees/{testee['id']}")

    repeated = await api.post(f"{V1}/testees", json=SOMEBODY, headers=once)
    problem_of(repeated, 409, "idempotency.answered_once")
    assert data_of(await api.post(f"{V1}/testees", json={"name": "Han Mei"}, headers=others), 201) == other


async def test_a_change_under_if_match_meets_no_other_version(api):
    testee = await make_testee(api)
    at = f"{V1}/testees/{testee['id']}"
    tag = {"If-Match": (await api.get(at)).headers["ETag"]}

    data_of(await api.put(at, json={"name": "first"}, headers=tag))

    problem_of(await api.put(at, json={"name": "second"}, headers=tag), 412, "precondition.failed")
    problem_of(await api.delete(at, headers=tag), 412, "precondition.failed")
    assert data_of(await api.get(at))["name"] == "first"


async def test_what_a_testee_follows_is_listed_by_either_id(api):
    testee = await make_testee(api, external_id="P-1")
    plan = await make_plan(api)
    joined = await join(api, plan, testee)
    await make_plan(api, name="another")

    for named in (testee["id"], "ext:P-1"):
        plans = data_of(await api.get(f"{V1}/testees/{named}/plans"))
        tasks = data_of(await api.get(f"{V1}/testees/{named}/tasks"))
        filtered = data_of(await api.get(f"{V1}/plans/tasks", params={"testee_id": named}))

        assert [each["id"] for each in plans["items"]] == [plan["id"]]
        assert tasks == {"items": joined["tasks"], "next_cursor": None}
        assert filtered == tasks


async def test_a_testee_who_is_not_there_is_absent_everywhere(api):
    for named in [ABSENT_ID, "x", "ext:", "ext:nobody", f"ext:{'x' * 201}"]:
        for answer in (
            await api.get(f"{V1}/testees/{named}"),
            await api.put(f"{V1}/testees/{named}", json={}),
            await api.delete(f"{V1}/testees/{named}"),
            await api.get(f"{V1}/testees/{named}/plans"),
            await api.get(f"{V1}/testees/{named}/tasks"),
        ):
            problem_of(answer, 404, "testee.absent")


async def test_a_testee_of_another_tenant_is_absent(api, neighbour):
    testee = await make_testee(api, external_id="P-1")

    for named in (testee["id"], "ext:P-1"):
        problem_of(await api.get(f"{V1}/testees/{named}", headers=neighbour), 404, "testee.absent")
        problem_of(await api.delete(f"{V1}/testees/{named}", headers=neighbour), 404, "testee.absent")
    assert data_of(await api.get(f"{V1}/testees/ext:P-1")) == testee


async def test_several_testees_are_shown_by_their_ids(api, neighbour):
    first, second, other = [await make_testee(api, external_id=name) for name in "abc"]
    foreign = data_of(await api.post(f"{V1}/testees", json={"external_id": "f"}, headers=neighbour), 201)
    nobody = str(uuid4())

    async def found(*ids: str) -> list[str]:
        asked = {"ids": ",".join(ids)} if ids else {}
        return [each["id"] for each in data_of(await api.get(f"{V1}/testees", params=asked))["items"]]

    assert await found(first["id"], second["id"], nobody, foreign["id"]) == [second["id"], first["id"]]
    assert await found(foreign["id"]) == []
    assert await found() == [other["id"], second["id"], first["id"]]
    data_of(await api.delete(f"{V1}/testees/{first['id']}"))
    page = data_of(await api.get(f"{V1}/testees?ids={first['id']},{other['id']}&page_size=1"))
    assert ([each["id"] for each in page["items"]], page["total"]) == ([other["id"]], 1)
    for text in ("x", f"{nobody},", "-" * 36, ",".join([nobody] * 101), ""):
        assert pointers_of(await api.get(f"{V1}/testees", params={"ids": text}), "invalid") == ["/ids"]


async def test_tasks_follow_the_testees_own_zone(api):
    plan = await make_plan(api, timezone="Asia/Shanghai", trigger_time="09:00")
    testee = await make_testee(api, timezone="Asia/Tokyo")

    tasks = (await join(api, plan, testee, soon(30)))["tasks"]

    assert {task["timezone"] for task in tasks} == {"Asia/Tokyo"}
    assert {task["planned_at"][11:] for task in tasks} == {"00:00:00Z"}
