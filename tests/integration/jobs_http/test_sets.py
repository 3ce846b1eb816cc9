"""Jobs as a set, as `qs job apply` brings them in and `qs job export` takes them out."""

from collections.abc import Mapping
from typing import Any

from httpx import AsyncClient

from .steps import HOURLY, V1, data_of, details_of, make_job, names_of, problem_of


def actions(applied: Mapping[str, Any]) -> dict[str, str]:
    return {change["name"]: change["action"] for change in applied["changes"]}


async def apply(api: AsyncClient, *jobs: Mapping[str, Any], **fields: Any) -> Any:
    body = {"owner": "clinic.yaml", "jobs": list(jobs), **fields}
    return data_of(await api.post(f"{V1}/jobs/apply", json=body))


async def test_a_set_is_brought_in_told_first_and_pruned_only_of_its_own(api):
    await make_job(api, name="somebody-elses")
    a, b = HOURLY | {"name": "a"}, HOURLY | {"name": "b", "queue": "slow"}

    dry = await apply(api, a, b, dry_run=True)
    names_before = await names_of(await api.get(f"{V1}/jobs"))
    done = await apply(api, a, b)
    same = await apply(api, a, b)
    changed = await apply(api, a | {"queue": "fast"}, prune=True)

    assert actions(dry) == actions(done) == {"a": "created", "b": "created"}
    assert (dry["dry_run"], names_before) == (True, ["somebody-elses"])
    assert actions(same) == {"a": "unchanged", "b": "unchanged"}
    assert actions(changed) == {"a": "changed", "b": "removed"}
    assert changed["changes"][0]["fields"] == {"queue": {"from": "default", "to": "fast"}}
    assert changed["counts"] == {"created": 0, "changed": 1, "removed": 1, "unchanged": 0}
    assert await names_of(await api.get(f"{V1}/jobs")) == ["a", "somebody-elses"]
    assert await names_of(await api.get(f"{V1}/jobs?owner=clinic.yaml")) == ["a"]


async def test_an_empty_set_that_prunes_takes_everything_of_its_owner(api):
    await apply(api, HOURLY)

    assert actions(await apply(api, prune=True)) == {"tidy": "removed"}


async def test_what_is_exported_can_be_applied_again_and_changes_nothing(api):
    await apply(api, HOURLY, HOURLY | {"name": "b", "overlap": "replace", "misfire": {"grace": "5m"}})

    exported = data_of(await api.get(f"{V1}/jobs/export?owner=clinic.yaml"))
    again = await apply(api, *exported["items"], prune=True)

    assert exported["next_cursor"] is None
    assert [item["name"] for item in exported["items"]] == ["b", "tidy"]
    assert actions(again) == {"b": "unchanged", "tidy": "unchanged"}
    assert data_of(await api.get(f"{V1}/jobs/export?owner=nobody"))["items"] == []


async def test_a_set_is_written_as_a_whole_or_not_at_all_and_every_problem_has_its_place(api):
    await make_job(api, name="taken/by another")
    body = {
        "owner": "clinic.yaml",
        "jobs": [
            HOURLY,
            HOURLY | {"name": "bad", "queue": "A", "priority": 1000},
            {"name": "worse", "type": "cron"},
        ],
    }

    unread = details_of(await api.post(f"{V1}/jobs/apply", json=body), "invalid")
    body["jobs"] = [HOURLY, HOURLY | {"name": "x/y", "schedule": "61 * * * *"}, HOURLY | {"name": "x"}]
    unfit = details_of(await api.post(f"{V1}/jobs/apply", json=body), "invalid")
    body["jobs"] = [HOURLY, HOURLY | {"name": "taken/by another"}]
    taken = details_of(await api.post(f"{V1}/jobs/apply", json=body), "invalid")
    body["jobs"] = [HOURLY, HOURLY]
    twice = details_of(await api.post(f"{V1}/jobs/apply", json=body), "invalid")

    assert set(unread) == {"/jobs/1/queue", "/jobs/1/priority", "/jobs/2/schedule"}
    assert "61" in unfit["/jobs/1/schedule"]
    assert set(unfit) == {"/jobs/1/schedule"}
    assert "taken/by another" in taken["/jobs/1"]
    assert "/jobs/0" in twice["/jobs/1/name"]
    assert await names_of(await api.get(f"{V1}/jobs")) == ["taken/by another"]


async def test_a_set_that_closes_a_ring_is_refused(api):
    ring = [HOURLY | {"name": "a", "on_success": ["b"]}, HOURLY | {"name": "b", "on_success": ["a"]}]

    answer = await api.post(f"{V1}/jobs/apply", json={"owner": "x", "jobs": ring})

    problem_of(answer, 422, "job.chain_cycle")
    assert await names_of(await api.get(f"{V1}/jobs")) == []


async def test_a_set_without_an_owner_or_with_too_many_jobs_is_refused(api):
    for body, pointer in (
        ({"jobs": []}, "/owner"),
        ({"owner": " ", "jobs": []}, "/owner"),
        ({"owner": "x" * 201, "jobs": []}, "/owner"),
        ({"owner": "x"}, "/jobs"),
        ({"owner": "x", "jobs": {}}, "/jobs"),
        ({"owner": "x", "jobs": [1]}, "/jobs/0"),
        ({"owner": "x", "jobs": [{"nme": "a"}]}, "/jobs/0/nme"),
        ({"owner": "x", "jobs": [{}] * 5001}, "/jobs"),
        ({"owner": "x", "jobs": [], "prune": "yes"}, "/prune"),
        ({"owner": "x", "jobs": [], "source": "declared"}, "/source"),
    ):
        assert pointer in details_of(await api.post(f"{V1}/jobs/apply", json=body), "invalid"), body


async def test_a_set_needs_the_scope_of_every_kind_in_it(stranger, caller):
    web = HOURLY | {"name": "web", "target": {"http": {"url": "https://example.org"}}}
    body = {"owner": "x", "jobs": [HOURLY, web]}

    refused = await stranger.post(f"{V1}/jobs/apply", json=body, headers=await caller("scheduler:write"))
    allowed = await stranger.post(
        f"{V1}/jobs/apply", json=body, headers=await caller("scheduler:write", "jobs:http")
    )

    assert "jobs:http" in problem_of(refused, 403, "auth.scope_missing")["detail"]
    assert actions(data_of(allowed)) == {"tidy": "created", "web": "created"}
