"""What was left undone, planted in a real database, and found by the doctor under its code."""

from datetime import UTC, datetime, timedelta

import pytest

from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from tests.integration.doctor.conftest import Doctor
from tests.support.planting import Planted

TENANT, PLATFORM = f"'{DEFAULT_TENANT}'", f"'{PLATFORM_TENANT}'"
LONG_AGO = "now() - interval '3 hours'"


def made(ago: timedelta) -> str:
    """An id that says that it was made so long ago (UUIDv7)."""
    milliseconds = int((datetime.now(UTC) - ago).timestamp() * 1000)
    return f"'{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-000000000001'"


async def test_an_installation_that_begins_has_only_what_a_new_one_lacks(doctor: Doctor) -> None:
    assert (await doctor()).keys() == {"worker.missing", "accounts.nobody"}


async def test_workers_that_are_missing_dead_or_drained_are_found(doctor: Doctor, planted: Planted) -> None:
    await planted.row("worker_heartbeat", worker="'a'", role="'relay'", host="'node-1'", seen_at=LONG_AGO)
    await planted.row("worker_heartbeat", worker="'b'", role="'cron'", draining="true")
    await planted.row(
        "worker_heartbeat",
        worker="'c'",
        role="'notifications'",
        host="'node-2'",
        clock_offset_ms="5000",
        seen_at="now()",
    )

    found = await doctor(QS_WORKER__ROLES="relay,cron,notifications,statistics")

    assert [each["subject"] for each in found["worker.missing"]] == ["worker statistics"]
    assert "on node-1" in found["worker.died"][0]["what"]
    assert [each["subject"] for each in found["worker.drained"]] == ["worker cron"]
    assert found["worker.clock"][0]["what"] == "+5.0 s against PostgreSQL's"


async def test_without_the_workers_clock_no_cron_worker_is_missed(doctor: Doctor) -> None:
    found = await doctor(QS_CLOCK__INTERNAL="false")

    assert "worker cron" not in [each["subject"] for each in found["worker.missing"]]


async def test_a_clock_that_was_stopped_is_found(doctor: Doctor, planted: Planted) -> None:
    await planted.row("job_switch", tenant_id=TENANT, firing="false")
    for_one = await doctor()
    await planted.row("job_switch", tenant_id=PLATFORM, firing="false")
    for_all = await doctor()

    assert "scheduler.stopped_for_tenants" in for_one
    assert "scheduler.stopped" in for_all


async def test_duties_that_are_late_or_fail_are_found(doctor: Doctor, planted: Planted) -> None:
    common = {"tenant_id": PLATFORM, "fired_by": "'clock'", "attempt": "1"}
    await planted.row(
        "execution", id=made(timedelta(hours=3)), name="'sweep'", status="'succeeded'", **common
    )
    await planted.row(
        "execution", id=made(timedelta(hours=1)), name="'sync-daily'", status="'lost'", **common
    )

    await planted.row(
        "execution", id=made(timedelta(days=5)), name="'retention'", status="'succeeded'", **common
    )

    found = await doctor()
    from_outside = await doctor(QS_CLOCK__INTERNAL="false")

    assert "sweep (3:00:" in found["duty.late"][0]["what"]
    assert "retention (5 days" in found["duty.late"][0]["what"]
    assert "retention (5 days" in from_outside["duty.late"][0]["what"]
    assert "sync-daily" in found["duty.failing"][0]["what"]


async def test_tasks_that_nobody_opens_and_staff_that_nobody_tells_are_found(
    doctor: Doctor, planted: Planted
) -> None:
    plan = "'01900000-0000-7000-8000-0000000000a1'"
    paused = "'01900000-0000-7000-8000-0000000000a2'"
    for plan_id, status in ((plan, "'active'"), (paused, "'paused'")):
        await planted.row(
            "plan",
            id=plan_id,
            tenant_id=TENANT,
            status=status,
            schedule_type="'by_week'",
            catch_up="'all'",
            timezone="'UTC'",
            notify_on_expiry="'staff'",
            due_days="7",
            entry_ttl_days="7",
        )
        await planted.row(
            "task",
            tenant_id=TENANT,
            plan_id=plan_id,
            status="'pending'",
            planned_at=LONG_AGO,
            timezone="'UTC'",
            seq="1",
            entry_keys="'{}'",
        )

    found = await doctor()

    # Those of a plan that is paused wait for it.
    assert found["tasks.overdue"][0]["what"].endswith("default: 1")
    assert "default" in found["staff.unreachable"][0]["what"]


async def test_events_that_do_not_get_on_are_found(doctor: Doctor, planted: Planted) -> None:
    event = {"tenant_id": TENANT, "context": "'plan'", "name": "'TaskOpened'", "recorded_at": LONG_AGO}
    await planted.rows("outbox", 1001, publications="0", **event)
    await planted.row("inbox", subscriber="'notifications'", tenant_id=TENANT, state="'dead'")

    found = await doctor()

    assert "1001 are not published, the oldest since 3:00:" in found["events.unpublished"][0]["what"]
    assert {"1001 events behind"} == {each["what"] for each in found["events.behind"]}
    assert len(found["events.given_up"]) == 1


async def test_retention_that_does_not_run_is_found(doctor: Doctor, planted: Planted) -> None:
    old = "now() - interval '10 days'"
    await planted.row(
        "outbox",
        tenant_id=TENANT,
        context="'plan'",
        name="'PlanCreated'",
        position="1",
        recorded_at=old,
        published_at=old,
        publications="1",
    )
    await planted.run("UPDATE relay_cursor SET assigned_through = 1, published_through = 1")

    assert "10 days ago" in (await doctor())["retention.behind"][0]["what"]


async def test_messages_that_wait_or_were_given_up_are_found(doctor: Doctor, planted: Planted) -> None:
    common = {"tenant_id": TENANT, "recipient": "'staff'", "template": "'task_expired_staff'"}
    now = {"settled_at": "now()", **common}
    await planted.row(
        "delivery",
        channel="'email'",
        status="'queued'",
        next_attempt_at=LONG_AGO,
        not_before=LONG_AGO,
        **common,
    )
    await planted.row("delivery", channel="'email'", status="'dead'", reason="'refused'", **now)
    await planted.row("delivery", channel="'webhook'", status="'dead'", reason="'gone'", **now)
    await planted.row("delivery", channel="'sms'", status="'skipped'", reason="'no_address'", **now)
    await planted.row("delivery", channel="'wechat'", status="'skipped'", reason="'no_address'", **now)
    await planted.row("delivery", channel="'wechat'", status="'sent'", **now)

    found = await doctor()

    assert [each["subject"] for each in found["messages.late"]] == ["messages email"]
    assert [each["subject"] for each in found["messages.given_up"]] == ["messages email"]
    assert [each["subject"] for each in found["channel.gone"]] == ["channel webhook"]
    assert [each["subject"] for each in found["channel.no_addresses"]] == ["channel sms"]


async def test_webhooks_that_wait_or_are_disabled_are_found(doctor: Doctor, planted: Planted) -> None:
    endpoint = "'01900000-0000-7000-8000-0000000000b1'"
    await planted.row("webhook_endpoint", id=endpoint, tenant_id=TENANT, enabled="true", events="'{*}'")
    await planted.row(
        "webhook_endpoint",
        tenant_id=TENANT,
        enabled="false",
        name="'off'",
        events="'{*}'",
        disabled_reason="'gone'",
        disabled_at="now()",
    )
    await planted.row(
        "webhook_delivery", tenant_id=TENANT, endpoint_id=endpoint, status="'queued'", queued_at=LONG_AGO
    )

    found = await doctor()

    assert "the oldest since 3:00:" in found["webhooks.late"][0]["what"]
    assert found["webhooks.disabled"][0]["what"] == "1 are disabled"


async def test_jobs_that_nobody_fires_or_runs_are_found(doctor: Doctor, planted: Planted) -> None:
    job = {"tenant_id": TENANT, "kind": "'builtin'", "source": "'stored'", "version": "1"}
    await planted.row(
        "job",
        name="'late'",
        enabled="true",
        status="'active'",
        next_slot=LONG_AGO,
        next_fire_at=LONG_AGO,
        **job,
    )
    await planted.row("job", name="'broken'", status="'config_error'", **job)
    await planted.row("job_notice", tenant_id=TENANT, channel="'email'", status="'dead'", kind="'failed'")
    await planted.row(
        "job_execution",
        id=made(timedelta(hours=3)),
        tenant_id=TENANT,
        status="'queued'",
        queue="'default'",
        kind="'builtin'",
        fired_by="'manual'",
        stands_for="1",
        available_at=LONG_AGO,
    )

    found = await doctor(QS_SCHEDULER__ENABLED="false")

    assert "since 3:00:" in found["jobs.not_fired"][0]["what"]
    assert "since 3:00:" in found["jobs.waiting"][0]["what"]
    assert found["jobs.broken"][0]["what"].startswith("1 ")
    assert found["notices.given_up"][0]["what"].startswith("1 ")
    assert found["scheduler.disabled"][0]["what"].startswith("false, and 1 ")


async def test_figures_that_differ_or_are_old_are_found(doctor: Doctor, planted: Planted) -> None:
    await planted.row(
        "stat_sync", tenant_id=TENANT, kind="'validate'", began_at=LONG_AGO, differences="2", term="1"
    )

    found = await doctor()

    assert found["statistics.differ"][0]["what"].startswith("2 differences")
    assert found["statistics.old"][0]["what"].startswith("validate")


async def test_an_api_key_in_use_that_ends_soon_is_found_unless_it_has_a_successor(
    doctor: Doctor, planted: Planted
) -> None:
    key = {"tenant_id": TENANT, "scopes": "'{metrics:read}'", "last_used_at": "now()"}
    soon, later = "now() + interval '3 days'", "now() + interval '90 days'"
    await planted.row("api_key", name="'prometheus'", expires_at=soon, **key)
    await planted.row("api_key", name="'export'", expires_at=soon, secret_hash="'\\x01'", **key)
    await planted.row("api_key", name="'export'", expires_at=later, secret_hash="'\\x02'", **key)

    found = await doctor()

    assert [each["what"].split()[0] for each in found["api_key.ends"]] == ["prometheus"]


@pytest.mark.parametrize(
    ("variables", "is_missing"),
    [
        ({}, True),
        ({"QS_ADMIN_USERNAME": "ward", "QS_ADMIN_PASSWORD": "Vw7-Kq2-Zt9-Mx4"}, False),
    ],
)
async def test_an_installation_without_an_administrator_is_found(
    doctor: Doctor, variables: dict[str, str], is_missing: bool
) -> None:
    assert ("accounts.nobody" in await doctor(**variables)) is is_missing


async def test_events_that_a_broker_does_not_get_or_take_are_found(
    doctor: Doctor, planted: Planted, refusing_port: int
) -> None:
    away = {"QS_MQ__TYPE": "nats", "QS_MQ__HOST": "127.0.0.1", "QS_MQ__PORT": str(refusing_port)}
    jobs = {"QS_MQ__ACCEPT_JOBS": "true", "QS_MQ__TENANT": "nobody"}
    await planted.rows("outbox", 1001, tenant_id=TENANT, context="'plan'", name="'TaskOpened'")

    waiting = await doctor(**away, **jobs)
    await planted.row("inbox", subscriber="'broker'", tenant_id=TENANT, state="'dead'")
    refused = await doctor(**away)

    assert {"broker.away", "broker.behind", "broker.unknown_tenant"} <= waiting.keys()
    assert "broker.given_up" in refused
