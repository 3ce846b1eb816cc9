"""One successful call of every mutating route about plans, testees, tasks and links."""

from typing import Any

from httpx import AsyncClient

from qs.container import Container
from tests.integration.plan_http.steps import (
    V1,
    WEEKLY,
    data_of,
    instant,
    join,
    make_due,
    make_opened,
    make_plan,
    make_tasks,
    make_testee,
    run_out,
    soon,
)

from .recorder import Recorder


async def call_plans(rec: Recorder) -> None:
    plans = f"POST {V1}/plans"
    await rec.call(plans, WEEKLY)
    preview = {"schedule_type": "by_day", "interval": 1, "total_times": 2, "timezone": "UTC"}
    await rec.call(f"{plans}/preview", preview | {"start_date": soon()})
    plan, other = await make_plan(rec.api), await make_plan(rec.api)
    await join(rec.api, plan)
    testee = await make_testee(rec.api)
    enroll = {"plan_id": plan["id"], "testee_id": testee["id"], "start_date": soon()}
    enrollment = data_of(await rec.call(f"{plans}/enroll", enroll), 201)["enrollment"]
    several = [(await make_testee(rec.api))["id"] for _ in range(3)]
    rows = [{"testee_id": each, "start_date": soon()} for each in several]
    await rec.call(f"{plans}/{{plan_id}}/enrollments/bulk", {"rows": rows}, plan_id=plan["id"])
    edit = {"interval": 2, "trigger_time": "10:00"}
    await rec.call(f"PATCH {V1}/plans/{{plan_id}}", edit, plan_id=plan["id"])
    enrollments = f"POST {V1}/enrollments/{{enrollment_id}}"
    await rec.call(f"{enrollments}/pause", enrollment_id=enrollment["id"])
    await rec.call(f"{enrollments}/resume", {"policy": "shift"}, enrollment_id=enrollment["id"])
    await rec.call(
        f"{plans}/{{plan_id}}/testees/{{testee_id}}/terminate",
        {"reason": "withdrawn", "note": "told us by phone"},
        plan_id=plan["id"],
        testee_id=testee["id"],
    )
    await rec.call(f"{plans}/{{plan_id}}/pause", plan_id=plan["id"])
    await rec.call(f"{plans}/{{plan_id}}/resume", {"policy": "shift"}, plan_id=plan["id"])
    await rec.call(f"{plans}/{{plan_id}}/finish", plan_id=plan["id"])
    await join(rec.api, other)
    await rec.call(f"{plans}/{{plan_id}}/cancel", plan_id=other["id"])
    await rec.call(f"POST {V1}/scales", {"code": "ISI", "title": {"zh": "失眠", "en": "Insomnia"}})


async def call_testees(rec: Recorder) -> None:
    testee = data_of(await rec.call(f"POST {V1}/testees", {"name": "Li Lei"}), 201)
    one = f"{V1}/testees/{{testee_id}}"
    await rec.call(f"PUT {one}", {"name": "Li Lei", "locale": "en"}, testee_id=testee["id"])
    grant = {"channel": "wechat", "template": "tmpl-0001"}
    await rec.call(f"POST {one}/grants", grant, testee_id=testee["id"])
    # What erasure ends on the way belongs to the one record of the erasure.
    for _ in range(2):
        await join(rec.api, await make_plan(rec.api), testee)
    await rec.call(f"DELETE {one}", testee_id=testee["id"])


async def call_tasks(rec: Recorder) -> None:
    api, container = rec.api, rec.container
    tasks = f"POST {V1}/plans/tasks"
    one = f"{tasks}/{{task_id}}"
    first, second, third, *_ = await make_tasks(api)
    later = instant(third["planned_at"]).replace(microsecond=0)
    await rec.call(f"{one}/reschedule", {"planned_at": later.isoformat()}, task_id=second["id"])
    await rec.call(f"{one}/cancel", {"reason": "moved_away"}, task_id=third["id"])
    await make_due(container, first)
    opened = data_of(await rec.call(f"{one}/open", task_id=first["id"]))
    await rec.call(f"GET {V1}/plans/tasks/{{task_id}}/entry", task_id=first["id"])
    await rec.call(f"{one}/reissue", task_id=first["id"])
    await rec.call(f"{one}/complete", {"assessment_id": "a-1"}, task_id=first["id"])
    link = (await make_opened(api, container))["entry"]
    task_id = await rec.truth.fetchval("SELECT id FROM task WHERE status = 'opened'")
    submission = {"token": link["token"], "task_id": str(task_id), "assessment_id": "a-2"}
    await rec.call(f"POST {V1}/entries/submit", submission)
    opened = await make_opened(api, container)
    await run_out(container, opened)
    await rec.call(f"{one}/expire", task_id=opened["id"])


async def call_duties(rec: Recorder) -> None:
    """The sweep has something to move in two phases, the other calls have nothing."""
    ran_out = await make_opened(rec.api, rec.container, entry_ttl_days=1)
    await run_out(rec.container, ran_out)
    await due(rec.api, rec.container)
    await rec.call(f"POST {V1}/plans/tasks/schedule")
    await rec.call(f"POST {V1}/plan/tasks/schedule")
    await rec.call(f"POST {V1}/plans/tasks/expire")
    await rec.call(f"POST {V1}/plan/tasks/expire")
    for kind in ("daily", "accumulated", "plan"):
        await rec.call(f"POST {V1}/statistics/sync/{kind}")
    await rec.call(f"POST {V1}/statistics/validate", query="?repair=true")
    await rec.call(f"POST {V1}/retention")


async def due(api: AsyncClient, container: Container) -> dict[str, Any]:
    """A task that the sweep will open."""
    task = (await make_tasks(api))[0]
    await make_due(container, task)
    return task
