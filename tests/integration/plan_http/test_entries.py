import asyncio
from json import loads
from typing import Any

import pytest

from qs.logs import configure_logging
from qs.settings.sections import LogSettings
from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    data_of,
    get_raw,
    make_opened,
    make_tasks,
    pointers_of,
    problem_of,
    run_out,
    task_of,
)

ENTRIES = f"{V1}/entries"
SUBMIT = f"{V1}/entries/submit"


def link_of(task: dict[str, Any]) -> dict[str, str]:
    return {"token": task["entry"]["token"], "task_id": task["id"]}


@pytest.fixture
async def opened(api, container):
    return await make_opened(api, container)


@pytest.fixture
def anybody(opened, stranger):
    """A client without a token, after the task was opened."""
    del stranger.headers["Authorization"]
    return stranger


async def test_a_live_link_shows_what_it_opens_to_whoever_holds_it(anybody, opened):
    answer = await anybody.get(ENTRIES, params=link_of(opened))

    assert data_of(answer) == {
        "task_id": opened["id"],
        "scale_code": "PHQ-9",
        "scale_title": {
            "zh": "患者健康问卷（PHQ-9）",
            "en": "Patient Health Questionnaire (PHQ-9)",
        },
        "seq": 1,
        "state": "open",
        "expires_at": opened["expires_at"],
        "timezone": "Asia/Shanghai",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_looking_changes_nothing_and_submitting_does_so_once(api, opened, caller):
    admin = await caller("admin")
    before = await task_of(api, opened)
    for look in (api.get, api.head, api.options):
        await look(ENTRIES, params=link_of(opened) | {"from": "chat", "isappinstalled": "0"})
    assert data_of(await api.get(f"{V1}/plans/tasks/{opened['id']}", headers=admin)) == before

    body = link_of(opened) | {"assessment_id": "a-1"}
    submitted = data_of(await api.post(f"{SUBMIT}?from=chat", json=body | {"utm": "x"}))
    again = data_of(await api.post(SUBMIT, json=body))
    other = await api.post(SUBMIT, json=body | {"assessment_id": "a-2"})

    assert (submitted["status"], submitted["assessment_id"], submitted["repeated"]) == (
        "completed",
        "a-1",
        False,
    )
    assert again == submitted | {"repeated": True}
    problem_of(other, 410, "entry.completed")
    problem_of(await api.get(ENTRIES, params=link_of(opened)), 410, "entry.completed")


async def test_many_submissions_at_once_complete_the_task_once(anybody, opened):
    body = link_of(opened) | {"assessment_id": "a-1"}

    answers = await asyncio.gather(*(anybody.post(SUBMIT, json=body) for _ in range(10)))

    assert sorted(data_of(answer)["repeated"] for answer in answers) == [False] + [True] * 9


async def test_a_link_that_is_wrong_in_any_way_is_answered_alike(api, app, container, opened):
    other = await make_opened(api, container)
    pending = (await make_tasks(api))[0]
    del api.headers["Authorization"]
    token, task_id = opened["entry"]["token"], opened["id"]
    wrong = [
        {"token": ABSENT_ID, "task_id": task_id},
        {"token": other["entry"]["token"], "task_id": task_id},
        {"token": token, "task_id": other["id"]},
        {"token": token, "task_id": ABSENT_ID},
        {"token": token, "task_id": pending["id"]},
        {"token": token.replace("-", ""), "task_id": task_id},
        {"token": "令牌", "task_id": task_id},
        {"token": token},
        {"task_id": task_id},
        {},
    ]
    in_bodies = [
        {"token": "x" * 100_000, "task_id": task_id},
        {"token": token, "task_id": "x" * 100_000},
        {"token": 5, "task_id": task_id},
        {"token": [token], "task_id": {}},
    ]
    in_queries = [
        b"token=" + b"x" * 100_000 + f"&task_id={task_id}".encode(),
        f"token={token}&task_id=".encode() + b"x" * 100_000,
        f"token=%ff%fe&task_id={task_id}&token=%00".encode(),
        b"token=\xff&task_id=%",
    ]

    answers = [await api.get(ENTRIES, params=link) for link in wrong]
    answers += [await api.post(SUBMIT, json=link | {"assessment_id": "a"}) for link in [*wrong, *in_bodies]]
    raw = [await get_raw(app, ENTRIES, query) for query in in_queries]

    bodies = [problem_of(answer, 404, "entry.absent") for answer in answers]
    bodies += [loads(body) for _, body in raw]
    for body in bodies:
        body.pop("instance")
    assert all(body == bodies[0] for body in bodies)
    assert [status for status, _ in raw] == [404] * len(raw)
    assert data_of(await api.get(ENTRIES, params=link_of(opened)))["state"] == "open"


async def test_a_replaced_link_is_gone_and_the_new_one_lives(api, opened):
    reissued = data_of(await api.post(f"{V1}/plans/tasks/{opened['id']}/reissue"))

    problem_of(await api.get(ENTRIES, params=link_of(opened)), 410, "entry.replaced")
    problem_of(await api.post(SUBMIT, json=link_of(opened) | {"assessment_id": "a"}), 410, "entry.replaced")
    assert data_of(await api.get(ENTRIES, params=link_of(reissued)))["task_id"] == opened["id"]


async def test_a_dead_link_is_kept_by_nobody_and_found_by_no_search(api, opened):
    data_of(await api.post(f"{V1}/plans/tasks/{opened['id']}/reissue"))

    answers = [
        await api.get(ENTRIES, params=link_of(opened)),
        await api.post(SUBMIT, json=link_of(opened) | {"assessment_id": "a"}),
        await api.get(ENTRIES, params={"token": ABSENT_ID, "task_id": opened["id"]}),
        await api.post(SUBMIT, json={"assessment_id": "a"}),
        await api.get(f"{ENTRIES}/nowhere"),
    ]

    assert [answer.status_code for answer in answers] == [410, 410, 404, 404, 404]
    for answer in answers:
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_a_link_is_dead_at_the_instant_it_runs_out_even_if_nobody_swept(api, container, opened):
    await run_out(container, opened)

    problem_of(await api.get(ENTRIES, params=link_of(opened)), 410, "entry.expired")
    problem_of(await api.post(SUBMIT, json=link_of(opened) | {"assessment_id": "a"}), 410, "entry.expired")
    assert (await task_of(api, opened))["status"] == "opened"


async def test_a_link_of_a_canceled_task_is_gone(api, opened):
    data_of(await api.post(f"{V1}/plans/tasks/{opened['id']}/cancel", json={"reason": "moved"}))

    problem_of(await api.get(ENTRIES, params=link_of(opened)), 410, "entry.canceled")
    problem_of(await api.post(SUBMIT, json=link_of(opened) | {"assessment_id": "a"}), 410, "entry.canceled")


async def test_a_link_of_a_paused_plan_can_still_be_answered(api, opened):
    data_of(await api.post(f"{V1}/plans/{opened['plan_id']}/pause"))

    submitted = await api.post(SUBMIT, json=link_of(opened) | {"assessment_id": "a"})

    assert data_of(submitted)["status"] == "completed"


async def test_an_answer_without_a_proper_id_is_refused(anybody, opened):
    for assessment_id in [None, "", " ", "x" * 65, 5, "a\nb"]:
        refused = await anybody.post(SUBMIT, json=link_of(opened) | {"assessment_id": assessment_id})

        assert pointers_of(refused, "invalid") == ["/assessment_id"]


async def test_submitting_takes_json_by_post_alone(anybody, opened):
    problem_of(await anybody.get(SUBMIT), 405, "method.not_allowed")
    assert (await anybody.post(ENTRIES)).status_code == 405
    assert (await anybody.post(SUBMIT, data=link_of(opened))).status_code == 415


async def test_no_token_is_ever_logged(anybody, opened, capsys):
    # Whatever another test of this process left of the logging, this one has to see its lines.
    configure_logging(LogSettings(format="json"), "test")
    try:
        await anybody.get(ENTRIES, params=link_of(opened))
        await anybody.post(SUBMIT, json=link_of(opened) | {"assessment_id": "a"})
    finally:
        configure_logging(LogSettings(console=False), "test")

    shown = capsys.readouterr()
    assert "request_served" in shown.out + shown.err
    assert opened["entry"]["token"] not in shown.out + shown.err
