"""``qs stats`` in a terminal."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from qs.application.plan.ports import Page
from qs.application.statistics.ports import Kind
from tests.support.command_line import called
from tests.support.counting import TENANT_KEY, Ward


@pytest.fixture
def stats(settings):
    """Calls the verb; returns its exit code, stdout and stderr."""
    environment = {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": settings.secret_key,
        "QS_DATABASE_URL": settings.database.url,
        "QS_REDIS_URL": settings.redis.url,
    }

    async def call(*arguments: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(called, environment, "stats", *arguments)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
async def counted(ward: Ward) -> Ward:
    """Three people, of whom one has answered; counted and not synced."""
    tasks = await ward.opened(3)
    await ward.submit(tasks[0].id)
    await ward.count()
    return ward


def data(answer: tuple[int, str, str]) -> Any:
    code, out, err = answer
    assert (code, err) == (0, "")
    return json.loads(out)


async def test_a_sync_of_all_does_the_three_kinds_and_twice_changes_nothing(counted, stats):
    first, again = data(await stats("sync", "--json")), data(await stats("sync", "all", "--json"))

    assert [each["kind"] for each in first["items"]] == ["daily", "accumulated", "plan"]
    assert {each["status"] for each in (*first["items"], *again["items"])} == {"done"}
    assert first["items"][0]["upserted"] > 0
    assert [each["upserted"] for each in again["items"]] == [0, 0, 0]
    assert await counted.stored() == await counted.recounted()


async def test_a_sync_is_an_execution_of_its_duty_by_whoever_called(counted, stats):
    (done,) = data(await stats("sync", "daily", "--tenant", "default", "--json"))["items"]

    rows = await counted.truth.fetch("SELECT id::text, name, fired_by, status, actor FROM execution")
    (row,) = [tuple(row) for row in rows]
    assert row[:4] == (done["execution_id"], "sync-daily", "cli", "succeeded")
    assert row[4].startswith("cli:")


async def test_a_validation_exits_with_1_while_differences_remain_and_lists_them(counted, stats):
    await stats("sync")
    sound = data(await stats("validate", "--json"))
    await counted.truth.execute(
        "UPDATE stat_daily SET opened = opened + 2 WHERE dimension = 'tenant' AND opened > 0"
    )

    code, out, err = await stats("validate")
    broken = json.loads((await stats("validate", "--json"))[1])
    repaired = data(await stats("validate", "--repair", "--tenant", "default", "--json"))
    after = data(await stats("validate", "--json"))

    assert (sound["status"], sound["differences_total"]) == ("consistent", 0)
    assert (code, err) == (1, "")
    assert "counted_twice" in out
    assert TENANT_KEY in out
    assert (broken["status"], broken["differences_total"], len(broken["differences"])) == ("different", 2, 2)
    assert (repaired["status"], after["status"]) == ("repaired", "consistent")


async def test_a_tenant_that_is_not_there_ends_with_1(stats):
    code, out, err = await stats("sync", "daily", "--tenant", "nowhere")

    assert (code, out) == (1, "")
    assert "nowhere" in err


async def test_a_plan_is_shown_with_n_and_d_as_of_when_and_in_which_zone(counted, stats):
    await counted.sync()
    (plan,), _ = await counted.reading.plans(counted.tenant_id, Page())

    code, out, err = await stats("show", "plan", str(plan.id))
    view = data(await stats("show", "plan", str(plan.id), "--json"))

    assert (code, err) == (0, "")
    words = " ".join(out.split())
    for told in (
        plan.terms.name,
        "2060-03-01 19:00",
        "Asia/Shanghai",
        "completion 1/1 100.0%",
        "missed 0/1 0.0%",
    ):
        assert told in words
    assert "followup 0/0 -" in words
    assert "currently_open" in words
    assert "retention" in words
    assert (view["totals"]["opened"], view["counts"]["currently_open"], view["retention"]) == (3, 2, [1])
    assert view["rates"]["followup"] == {"n": 0, "d": 0, "rate": None}
    assert view["survival"]["at_risk"] == [3]


async def test_the_tenant_a_scale_and_a_testee_are_shown(counted, stats):
    await counted.sync()
    external_id = await counted.truth.fetchval("SELECT external_id FROM testee LIMIT 1")

    system, scale = data(await stats("show", "--json")), data(await stats("show", "scale", "PHQ-9", "--json"))
    testee = data(await stats("show", "testee", f"ext:{external_id}", "--json"))

    assert [each["totals"]["opened"] for each in (system, scale, testee)] == [3, 3, 1]
    assert (system["key"], scale["key"], testee["dimension"]) == (TENANT_KEY, "PHQ-9", "testee")


@pytest.mark.parametrize("subject", [("scale", "NOPE"), ("plan", str(UUID(int=7))), ("testee", "ext:nobody")])
async def test_what_nothing_is_known_of_ends_with_1(stats, subject):
    code, out, err = await stats("show", *subject)

    assert (code, out) == (1, "")
    assert err
    assert "Traceback" not in err


async def test_pictures_are_written_and_named(counted, stats, tmp_path):
    await counted.sync()
    (plan,), _ = await counted.reading.plans(counted.tenant_id, Page())
    one = ("--plan", str(plan.id))
    asked = {
        "trend.png": ("trend",),
        "days.svg": ("completion", "--scale", "PHQ-9", "--from", "2060-01-01"),
        "occasions.svg": ("completion", *one),
        "retention.svg": ("retention", *one),
    }

    for name, arguments in asked.items():
        file = str(tmp_path / name)
        assert data(await stats("plot", *arguments, "-o", file, "--json")) == {"file": file}

    assert (tmp_path / "trend.png").read_bytes().startswith(b"\x89PNG")
    for name in ("days.svg", "occasions.svg", "retention.svg"):
        drawn = (tmp_path / name).read_text(encoding="utf-8")
        assert "as of 2060-03-01 19:00 (Asia/Shanghai)" in drawn
        assert "nothing counted yet" not in drawn
    assert plan.terms.name in drawn


async def test_a_picture_that_cannot_be_written_ends_with_1_and_names_the_file(counted, stats, tmp_path):
    file = tmp_path / "nowhere" / "trend.svg"

    code, out, err = await stats("plot", "trend", "-o", str(file))

    assert (code, out) == (1, "")
    assert str(file) in err
    assert "Traceback" not in err


async def test_while_another_is_at_it_a_caller_is_told_and_that_is_no_failure(counted, stats):
    execution_id = counted.container.new_id()()
    holding = counted.container._sync_holding()
    async with (
        holding.held(counted.tenant_id, Kind.DAILY, execution_id),
        holding.held(counted.tenant_id, Kind.VALIDATE, execution_id),
    ):
        (synced,) = data(await stats("sync", "daily", "--tenant", "default", "--json"))["items"]
        code, out, err = await stats("validate", "--json")

    assert (synced["status"], synced["execution_id"]) == ("already_running", str(execution_id))
    assert (code, json.loads(out)["status"]) == (0, "already_running")
    assert "another process is validating" in err
