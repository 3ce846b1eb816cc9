"""Secrets over HTTP: stored, replaced, listed and deleted, and never given out again."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from .steps import data_of, make_job, pointers_of, problem_of

SECRETS = "/api/v1/secrets"
VALUE = "hunter22 of the receiver"


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """What the superuser sees, which bypasses row-level security."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_a_secret_is_stored_replaced_and_deleted_and_its_value_never_shown(api, truth):
    stored = await api.put(f"{SECRETS}/report-token", json={"value": VALUE})
    replaced = await api.put(f"{SECRETS}/report-token", json={"value": VALUE + "!"})
    listed = await api.get(SECRETS)
    shown = await api.get(f"{SECRETS}/report-token")
    (row,) = await truth.fetch("SELECT * FROM secret")
    removed = await api.delete(f"{SECRETS}/report-token")

    assert (data_of(stored, 201)["version"], data_of(replaced)["version"]) == (1, 2)
    assert stored.headers["etag"] == '"v1"'
    assert [item["name"] for item in data_of(listed)["items"]] == ["report-token"]
    assert data_of(shown) == data_of(replaced) | {"used_by": []}
    assert data_of(removed) == {"used_by": []}
    assert VALUE.encode() not in row["ciphertext"]
    for answer in (stored, replaced, listed, shown, removed):
        assert "hunter22" not in answer.text
        assert "no-store" in answer.headers["cache-control"] or "no-cache" in answer.headers["cache-control"]
    problem_of(await api.get(f"{SECRETS}/report-token"), 404, "secret.absent")
    problem_of(await api.delete(f"{SECRETS}/report-token"), 404, "secret.absent")


async def test_who_changes_a_secret_under_if_match_meets_no_other_version(api):
    tag = (await api.put(f"{SECRETS}/token", json={"value": VALUE})).headers["etag"]
    await api.put(f"{SECRETS}/token", json={"value": VALUE})

    for answer in (
        await api.put(f"{SECRETS}/token", json={"value": VALUE}, headers={"If-Match": tag}),
        await api.delete(f"{SECRETS}/token", headers={"If-Match": tag}),
        await api.put(f"{SECRETS}/other", json={"value": VALUE}, headers={"If-Match": tag}),
    ):
        problem_of(answer, 412, "precondition.failed")
    assert data_of(await api.get(f"{SECRETS}/token"))["version"] == 2


async def test_which_jobs_refer_to_a_secret_is_told_before_and_after_it_is_deleted(api):
    for name, url in (
        ("uses it", "https://example.org/?key=secret://token"),
        ("uses another", "https://example.org/?key=secret://token-2"),
    ):
        await make_job(api, name=name, target={"http": {"url": url}})
    await api.put(f"{SECRETS}/token", json={"value": VALUE})

    shown = data_of(await api.get(f"{SECRETS}/token"))
    removed = data_of(await api.delete(f"{SECRETS}/token"))

    assert shown["used_by"] == removed["used_by"] == ["uses it"]


@pytest.mark.parametrize("name", ["UPPER", "key", "a-file", "-a", "a_b", "a" * 65, "a\nb"])
async def test_a_name_that_no_job_could_use_is_refused(api, name):
    answer = await api.put(f"{SECRETS}/{name.replace(chr(10), '%0A')}", json={"value": VALUE})

    assert pointers_of(answer, "secret.invalid") == ["/name"]


@pytest.mark.parametrize(
    "body",
    [{"value": "short"}, {"value": "hunter" * 2000}, {"value": None}, {}, {"value": VALUE, "hunter": 1}],
)
async def test_a_value_that_cannot_be_one_is_refused_and_not_repeated(api, body):
    answer = await api.put(f"{SECRETS}/token", json=body)

    assert answer.status_code == 422
    assert "hunterhunter" not in answer.text
    assert data_of(await api.get(SECRETS))["total"] == 0


async def test_secrets_are_each_tenants_own(api, neighbour):
    await api.put(f"{SECRETS}/token", json={"value": VALUE})

    problem_of(await api.get(f"{SECRETS}/token", headers=neighbour), 404, "secret.absent")
    problem_of(await api.delete(f"{SECRETS}/token", headers=neighbour), 404, "secret.absent")
    assert data_of(await api.get(SECRETS, headers=neighbour))["total"] == 0
    data_of(await api.put(f"{SECRETS}/token", json={"value": VALUE}, headers=neighbour), 201)
    assert data_of(await api.get(f"{SECRETS}/token"))["version"] == 1


async def test_reading_and_writing_secrets_have_scopes_of_their_own(stranger, caller, platform):
    for method, path, scope in (
        ("GET", SECRETS, "secrets:read"),
        ("GET", f"{SECRETS}/token", "secrets:read"),
        ("PUT", f"{SECRETS}/token", "secrets:write"),
        ("DELETE", f"{SECRETS}/token", "secrets:write"),
    ):
        body = {"json": {"value": VALUE}} if method == "PUT" else {}
        assert (await stranger.request(method, path, **body)).status_code == 401
        assert (await stranger.request(method, path, headers=platform, **body)).status_code == 403
        for held in ("secrets:read", "secrets:write", "scheduler:write"):
            answer = await stranger.request(method, path, headers=await caller(held), **body)
            assert (answer.status_code != 403) == (held == scope), (method, path, held)
