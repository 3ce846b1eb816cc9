"""Calendars over HTTP: written, read, followed, and kept while a job follows them."""

from .steps import HOURLY, V1, data_of, details_of, make_job, problem_of

YEAR = {"name": "china 2026/27", "holidays": ["2026-10-02", "2026-10-01"], "workdays": ["2026-10-10"]}
PATH = f"{V1}/calendars/china%202026%2F27"


async def test_a_calendar_is_created_listed_shown_and_replaced(api):
    created = await api.post(f"{V1}/calendars", json=YEAR)
    listed = data_of(await api.get(f"{V1}/calendars"))
    shown = await api.get(PATH)
    unchanged = await api.get(PATH, headers={"If-None-Match": shown.headers["etag"]})
    replaced = await api.put(PATH, json={"holidays": ["2026-10-03"]}, headers={"If-Match": '"v1"'})

    assert created.headers["location"] == PATH
    assert (
        data_of(created, 201)
        == data_of(shown)
        == {
            "name": "china 2026/27",
            "holidays": ["2026-10-01", "2026-10-02"],
            "workdays": ["2026-10-10"],
            "version": 1,
        }
    )
    assert listed == {
        "items": [{"name": "china 2026/27", "holiday_count": 2, "workday_count": 1, "version": 1}],
        "total": 1,
        "page": 1,
        "page_size": 20,
    }
    assert unchanged.status_code == 304
    assert data_of(replaced)["workdays"] == []
    assert replaced.headers["etag"] == '"v2"'
    for method, body in (("PUT", {"holidays": []}), ("DELETE", None)):
        stale = await api.request(method, PATH, json=body, headers={"If-Match": '"v1"'})
        problem_of(stale, 412, "precondition.failed")


async def test_a_followed_calendar_stays_and_moves_the_slots_of_its_jobs(api):
    data_of(await api.post(f"{V1}/calendars", json={"name": "off"}), 201)
    job = await make_job(api, type="daily", schedule="00:00", timezone="UTC", calendar="off")
    tomorrow = job["next_run"][:10]

    data_of(await api.put(f"{V1}/calendars/off", json={"holidays": [tomorrow]}))
    moved = data_of(await api.get(f"{V1}/jobs/{job['id']}"))
    refused = problem_of(await api.delete(f"{V1}/calendars/off"), 409, "calendar.in_use")
    data_of(await api.delete(f"{V1}/jobs/{job['id']}"))
    deleted = await api.delete(f"{V1}/calendars/off", headers={"If-Match": '"v2"'})

    assert moved["next_run"] > job["next_run"]
    assert "'tidy'" in refused["detail"]
    assert data_of(deleted) is None
    problem_of(await api.get(f"{V1}/calendars/off"), 404, "calendar.absent")


async def test_a_calendar_of_that_name_is_created_once(api):
    headers = {"Idempotency-Key": "k"}
    first = await api.post(f"{V1}/calendars", json=YEAR, headers=headers)
    again = await api.post(f"{V1}/calendars", json=YEAR, headers=headers)
    taken = await api.post(f"{V1}/calendars", json=YEAR)

    assert data_of(again, 201) == data_of(first, 201)
    assert "china 2026/27" in problem_of(taken, 409, "calendar.name_taken")["detail"]


async def test_a_bad_calendar_is_refused_with_its_place(api):
    for body, pointer, error in (
        ({}, "/name", "invalid"),
        ({"name": ""}, "/name", "invalid"),
        ({"name": "x" * 101}, "/name", "invalid"),
        ({"name": "a\nb"}, "/name", "invalid"),
        ({"name": " padded"}, "/name", "calendar.invalid"),
        ({"name": "a", "holidays": ["2026-02-30"]}, "/holidays/0", "invalid"),
        ({"name": "a", "holidays": "2026-02-01"}, "/holidays", "invalid"),
        ({"name": "a", "holidays": ["1800-01-01"]}, "/holidays/0", "invalid"),
        ({"name": "a", "holidays": ["2026-01-01"] * 5001}, "/holidays", "invalid"),
        (
            {"name": "a", "holidays": ["2026-01-01"], "workdays": ["2026-01-01"]},
            "/workdays",
            "calendar.invalid",
        ),
        ({"name": "a", "version": 3}, "/version", "invalid"),
    ):
        assert pointer in details_of(await api.post(f"{V1}/calendars", json=body), error), body
    assert data_of(await api.get(f"{V1}/calendars"))["total"] == 0


async def test_another_tenants_an_odd_and_an_absent_calendar_look_alike(api, neighbour):
    data_of(await api.post(f"{V1}/calendars", json={"name": "off"}), 201)
    bodies = []
    for name in ("off", "nobodys", "%20", "a%2Fb", "%F0%9F%98%80"):
        for method, body in (("GET", None), ("PUT", {"holidays": []}), ("DELETE", None)):
            answer = await api.request(method, f"{V1}/calendars/{name}", json=body, headers=neighbour)
            bodies.append(problem_of(answer, 404, "calendar.absent") | {"instance": None})

    assert bodies == bodies[:1] * len(bodies)
    answer = await api.post(f"{V1}/jobs", json=HOURLY | {"calendar": "off"}, headers=neighbour)
    assert "/calendar" in details_of(answer, "invalid")
