"""Nodes, queues, the switch, and how far behind the clock is."""

import os
import re
import socket
from typing import Any

from httpx import AsyncClient
from sqlalchemy import text

from qs.application.scheduler import nodes
from qs.infra.postgres.heartbeats import Heartbeat

from .steps import ABSENT_ID, ECRON, HOURLY, V1, data_of, make_job, problem_of, run_job

WEB = {"target": {"http": {"url": "https://example.org"}}}


async def nodes_of(api: AsyncClient, **headers: str) -> Any:
    return data_of(await api.get(f"{V1}/nodes", headers=headers))


async def test_nodes_are_shown_with_what_they_hold_and_are_asked_to_drain(
    api, container, engine, http, worker
):
    await Heartbeat(engine, "cron").beat()
    await Heartbeat(engine, "executions").beat()
    # A heartbeat and whoever holds executions name their process alike, and nothing else of it.
    process = container.job_running().worker.rpartition(":")[0]
    async with engine.connect() as connection:
        await connection.execute(
            text("UPDATE worker_heartbeat SET worker = :worker WHERE role = 'executions'"),
            {"worker": f"executions@{process}:abc"},
        )
        await connection.commit()
    http.may_end.clear()
    await run_job(api, await make_job(api, **WEB))
    await worker.begin()

    cron, executions = await nodes_of(api)
    drained = data_of(await api.post(f"{V1}/nodes/{executions['id']}/drain"))
    status = data_of(await api.get(f"{V1}/status"))

    assert (cron["role"], cron["alive"], cron["draining"]) == ("cron", True, False)
    assert (executions["role"], executions["held"]) == ("executions", 1)
    assert cron["started_at"].endswith("Z")
    assert drained == executions | {"draining": True}
    assert status["nodes"] == {"alive": 2, "draining": 1, "held": 1}, "both are of one process"
    problem_of(await api.post(f"{V1}/nodes/nobody@nowhere:1:a/drain"), 404, "node.absent")


async def test_hosts_are_shown_to_who_runs_the_installation_alone(
    stranger, caller, engine, neighbour, platform
):
    """Others see that nodes work, and tell them apart."""
    await Heartbeat(engine, "cron").beat()
    await Heartbeat(engine, "cron").beat()
    host, pid = socket.gethostname(), str(os.getpid())

    for operator in (platform, await caller("admin"), await caller("scheduler:read", "scheduler:write")):
        shown = await nodes_of(stranger, **operator)
        assert [node["host"] for node in shown] == [host, host]
        assert all(node["id"].startswith(f"cron@{host}:{pid}:") for node in shown)
    for other in (neighbour, await caller("scheduler:read")):
        answer = await stranger.get(f"{V1}/nodes", headers=other)
        shown = data_of(answer)
        assert [node["host"] for node in shown] == [None, None]
        assert [node["alive"] for node in shown] == [True, True]
        assert len({node["id"] for node in shown}) == 2
        assert all(re.fullmatch("cron@[0-9a-f]+", node["id"]) for node in shown)
        assert host not in answer.text


async def test_executions_name_the_machines_they_ran_on_to_who_runs_the_installation_alone(
    api, caller, worker
):
    """In lists, alone, as the last one of a job, and to ECron's clients."""
    job = await make_job(api)
    run = await run_job(api, job)
    await worker.work_off()
    reader, runner = await caller("scheduler:read"), await caller("scheduler:run")
    machine = f"{socket.gethostname()}:{os.getpid()}:"
    paths = [
        f"{V1}/executions",
        f"{V1}/executions/{run['id']}",
        f"{V1}/jobs/{job['id']}/executions",
        f"{V1}/jobs/{job['id']}/status",
        f"{ECRON}/jobstatus/{job['id']}",
        f"{ECRON}/jobstatus/{run['id']}",
        f"{ECRON}/jobstatus?job_id={job['id']}",
    ]

    for path in paths:
        whole, told = (await api.get(path)).text, (await api.get(path, headers=reader)).text
        name = re.search(rf"{machine}([0-9a-f]+)", whole)
        assert name, path
        assert socket.gethostname() not in told, path
        assert name[1] in told, path
    again = await api.post(f"{V1}/executions/{run['id']}/retry", headers=runner)
    assert data_of(again)["worker"] is None


async def test_a_node_is_drained_only_by_who_speaks_for_everybody(
    stranger, caller, engine, neighbour, platform
):
    await Heartbeat(engine, "cron").beat()
    (node,) = await nodes_of(stranger, **platform)
    path = f"{V1}/nodes/{node['id']}/drain"

    for headers in (neighbour, await caller("scheduler:write")):
        problem_of(await stranger.post(path, headers=headers), 403, "node.concerns_everybody")
    assert data_of(await stranger.post(path, headers=platform))["draining"] is True


async def test_queues_tell_what_waits_works_and_ended(api, http, worker):
    job = await make_job(api, **WEB, queue="slow", overlap={"policy": "allow", "max": 9})
    await run_job(api, await make_job(api, name="quick"))
    await worker.work_off()
    http.may_end.clear()
    await run_job(api, job)
    await worker.begin()
    canceled, _ = await run_job(api, job), await run_job(api, job)
    data_of(await api.post(f"{V1}/executions/{canceled['id']}/cancel"))

    told = data_of(await api.get(f"{V1}/queues"))

    nothing = {"waiting": 0, "running": 0, "retrying": 0, "done": 0, "failed": 0, "other": 0}
    assert told == {
        "queues": [
            nothing | {"name": "default", "done": 1},
            nothing | {"name": "slow", "waiting": 1, "running": 1, "other": 1},
        ],
        "at_least": False,
    }


async def test_queues_of_other_tenants_are_not_shown(api, neighbour):
    await run_job(api, await make_job(api))

    assert data_of(await api.get(f"{V1}/queues", headers=neighbour))["queues"] == []


async def test_a_count_that_would_read_too_much_says_so(api, monkeypatch):
    monkeypatch.setattr(nodes, "MOST_COUNTED", 2)
    job = await make_job(api, overlap={"policy": "allow", "max": 9})
    for _ in range(3):
        await run_job(api, job)

    told = data_of(await api.get(f"{V1}/queues"))

    assert (told["at_least"], told["queues"][0]["waiting"]) == (True, 2)


async def test_a_tenant_stops_and_starts_its_own_clock(stranger, caller, neighbour):
    operator = await caller("scheduler:read", "scheduler:write")

    stopped = data_of(await stranger.post(f"{V1}/stop", headers=operator))
    again = data_of(await stranger.post(f"{V1}/stop", headers=operator))
    status = data_of(await stranger.get(f"{V1}/status", headers=operator))
    others = data_of(await stranger.get(f"{V1}/status", headers=neighbour))
    started = data_of(await stranger.post(f"{V1}/start", headers=operator))

    assert stopped == {"firing": False, "stopped": "tenant", "changed": True}
    assert again == stopped | {"changed": False}
    assert (status["firing"], status["stopped"]) == (False, "tenant")
    assert others["firing"] is True
    assert started == {"firing": True, "stopped": None, "changed": True}


async def test_an_administrator_of_the_first_tenant_stops_everybody(api, caller, neighbour, platform):
    stopped = data_of(await api.post(f"{V1}/stop"))
    others = data_of(await api.get(f"{V1}/status", headers=neighbour))
    # Somebody's own switch is on, and still nothing fires.
    tried = data_of(await api.post(f"{V1}/start", headers=neighbour))
    started = data_of(await api.post(f"{V1}/start"))
    by_platform = data_of(await api.post(f"{V1}/stop", headers=platform))

    assert stopped == {"firing": False, "stopped": "installation", "changed": True}
    assert (others["firing"], others["stopped"]) == (False, "installation")
    assert (tried["firing"], tried["changed"]) == (False, False)
    assert started == {"firing": True, "stopped": None, "changed": True}
    assert by_platform["stopped"] == "installation"


async def test_a_stopped_clock_shows_in_the_status_of_a_job(stranger, caller):
    operator = await caller("scheduler:read", "scheduler:write")
    stranger.headers.update(operator)
    job = await make_job(stranger)
    data_of(await stranger.post(f"{V1}/stop"))

    status = data_of(await stranger.get(f"{V1}/jobs/{job['id']}/status"))

    assert (status["firing"], status["next_run"], status["enabled"]) == (False, None, True)


async def test_the_status_tells_how_far_behind_the_clock_is(api, engine):
    # Yearly, so that it does not become due by itself meanwhile.
    job = await make_job(api, schedule="0 0 1 1 *")
    before = data_of(await api.get(f"{V1}/status"))
    async with engine.connect() as connection:
        await connection.execute(
            text("SELECT set_config('qs.tenant_id', '00000000-0000-7000-8000-000000000001', true)")
        )
        await connection.execute(
            text("UPDATE job SET next_slot = now() - interval '90 s', next_fire_at = now() - interval '90 s'")
        )
        await connection.commit()
    await run_job(api, job)

    status = data_of(await api.get(f"{V1}/status"))
    data_of(await api.post(f"{V1}/stop"))
    stopped = data_of(await api.get(f"{V1}/status"))

    assert (before["firing"], before["lag_s"]) == (True, 0.0)
    assert status["lag_s"] >= 90
    assert stopped["lag_s"] < 60
    assert status["jobs"] == {"total": 1, "enabled": 1, "active": 1, "finished": 0, "config_error": 0}
    assert status["executions"] == {"waiting": 1, "running": 0, "retrying": 0}


async def test_each_act_leaves_one_record(api, engine, http):
    job = await make_job(api, **WEB)
    path = f"{V1}/jobs/{job['id']}"
    run = data_of(await api.post(f"{path}/run"))
    for method, url, body in (
        ("PATCH", path, {"queue": "slow"}),
        ("PUT", path, HOURLY),
        ("PUT", f"{path}/enable", {"enabled": False}),
        ("PUT", f"{path}/notify", {"email": []}),
        ("POST", f"{V1}/executions/{run['id']}/cancel", None),
        ("POST", f"{V1}/executions/{run['id']}/retry", None),
        ("POST", f"{path}/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"}),
        ("POST", f"{V1}/jobs/apply", {"owner": "x", "jobs": [HOURLY | {"name": "b"}]}),
        ("POST", f"{V1}/calendars", {"name": "off"}),
        ("DELETE", f"{V1}/calendars/off", None),
        ("POST", f"{V1}/stop", None),
        ("POST", f"{V1}/start", None),
        ("DELETE", path, None),
        ("DELETE", f"{V1}/jobs/{ABSENT_ID}", None),
    ):
        await api.request(method, url, json=body)

    actions = []
    async with engine.connect() as connection:
        for tenant in ("00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000000"):
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": tenant}
            )
            rows = await connection.execute(
                text(
                    "SELECT action FROM audit WHERE action ~ '^(job|execution|calendar|scheduler)' ORDER BY id"
                )
            )
            actions += [row.action for row in rows]
    # Of the default tenant; what concerns everybody is told in the platform's log.
    assert actions == [
        "job.create",
        "job.run",
        "job.change",
        "job.change",
        "job.disable",
        "job.change",
        "execution.cancel",
        "execution.retry",
        "job.backfill",
        "job.apply",
        "calendar.save",
        "calendar.remove",
        "job.remove",
        "scheduler.stop",
        "scheduler.start",
    ]
