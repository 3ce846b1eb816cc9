"""The verbs that administer who gets in."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from qs.container import Container
from qs.domain.identity.errors import BadClientCredentials
from tests.integration.identity.people import PASSWORD, bearer
from tests.support.command_line import called
from tests.support.settings import SECRET_KEY

Installation = dict[str, str]


@pytest.fixture
def installation(database_url: str, redis_url: str, tmp_path: Path) -> Installation:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }


def qs(given: Installation, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return called(given, *arguments, stdin=stdin)


def answer(given: Installation, *arguments: str, stdin: str = "") -> Any:
    found = qs(given, *arguments, "--json", stdin=stdin)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


async def test_a_token_of_the_command_line_opens_the_api(installation: Installation, probes: AsyncClient):
    made = answer(installation, "token", "create", "--scope", "admin", "--ttl", "90m")

    assert list(made) == ["token", "expires_at", "scopes", "tenant"]
    assert (made["scopes"], made["tenant"]) == (["admin"], "default")
    opened = await probes.get("/api/v1/probe/plans", headers=bearer(made["token"]))
    assert opened.status_code == 200


async def test_a_user_of_the_command_line_logs_in(installation: Installation, container: Container):
    made = answer(installation, "user", "create", "Bob", "--role", "viewer", stdin=f"{PASSWORD}\n")
    assert (made["username"], made["roles"]) == ("bob", ["viewer"])
    assert (await container.login().log_in("bob", PASSWORD, "::1")).access_token

    answer(installation | {"QS_USER_PASSWORD": "another " + PASSWORD}, "user", "password", "bob")
    assert (await container.login().log_in("bob", "another " + PASSWORD, "::1")).access_token

    promoted = answer(installation, "user", "roles", "bob", "--role", "operator", "--role", "viewer")
    assert promoted["roles"] == ["viewer", "operator"]
    disabled = answer(installation, "user", "disable", "bob")
    assert disabled["disabled_at"]
    assert [user["username"] for user in answer(installation, "user", "list")] == ["bob"]


async def test_a_platform_account_of_the_command_line_reaches_the_duties(
    installation: Installation, probes: AsyncClient, container: Container
):
    made = answer(installation, "service-account", "create", "cron", "--platform")

    assert made["scopes"] == ["statistics:sync", "tasks:schedule"]
    grant = await container.client_granting().grant(made["client_id"], made["client_secret"])
    reached = await probes.post("/api/v1/probe/duty", headers=bearer(grant.access_token))
    assert reached.text == "service:cron"

    renewed = answer(installation, "service-account", "renew-secret", "cron", "--platform")
    granted = await container.client_granting().grant(renewed["client_id"], renewed["client_secret"])
    assert granted.scopes == grant.scopes
    with pytest.raises(BadClientCredentials):
        await container.client_granting().grant(made["client_id"], made["client_secret"])

    (listed,) = answer(installation, "service-account", "list", "--platform")
    assert "client_secret" not in listed
    assert answer(installation, "service-account", "list") == []
    assert answer(installation, "service-account", "disable", "cron", "--platform")["disabled_at"]


async def test_an_api_key_of_the_command_line_opens_the_api(installation: Installation, probes: AsyncClient):
    made = answer(installation, "api-key", "create", "ci", "--scope", "plans:read", "--ttl", "30d")
    opened = await probes.get("/api/v1/probe/plans", headers=bearer(made["key"]))
    assert opened.text == "api_key:ci"

    (listed,) = answer(installation, "api-key", "list")
    assert listed["id"] == made["id"]
    assert made["key"] not in str(listed)
    assert answer(installation, "api-key", "revoke", made["id"])["revoked_at"]


def test_a_tenant_gets_quotas_and_loses_them(installation: Installation):
    made = answer(installation, "tenant", "create", "clinic", "--max-testees", "500", "--max-jobs", "0")
    changed = answer(
        installation, "tenant", "set", "clinic", "--max-testees", "none", "--max-active-plans", "7"
    )

    assert made["quotas"] == {"max_testees": 500, "max_active_plans": None, "max_jobs": 0}
    assert changed["quotas"] == {"max_testees": None, "max_active_plans": 7, "max_jobs": 0}
    assert answer(installation, "tenant", "show", "clinic") == changed


def test_a_tenant_is_created_changed_shown_and_listed(installation: Installation):
    made = answer(
        installation, "tenant", "create", "clinic", "--name", "Clinic", "--timezone", "Europe/Berlin"
    )
    contacts = ("--staff-email", "a@example.org", "--staff-email", "b@example.org")
    changed = answer(installation, "tenant", "set", "clinic", *contacts, "--status", "suspended")
    shown = answer(installation, "tenant", "show", "clinic")
    cleared = answer(installation, "tenant", "set", "clinic", "--no-staff")

    assert made["staff_contacts"] == cleared["staff_contacts"] == []
    assert changed == shown == made | {"status": "suspended", "staff_contacts": changed["staff_contacts"]}
    assert [contact["address"] for contact in shown["staff_contacts"]] == ["a@example.org", "b@example.org"]
    assert [tenant["slug"] for tenant in answer(installation, "tenant", "list")] == ["clinic", "default"]


def test_addresses_of_staff_come_from_a_file_and_are_not_repeated(installation: Installation, tmp_path: Path):
    file = tmp_path / "urls"
    file.write_text("\nslack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ\n")

    refused = qs(installation, "tenant", "set", "default", "--staff-urls", str(file))

    assert refused.returncode == 1
    assert "notification.apprise.schemas" in refused.stderr
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in refused.stderr


def test_what_cannot_be_done_is_said_on_stderr(installation: Installation):
    for verb, code, said in (
        ("user create bob --role viewer", 2, "no password was given"),
        ("token create --scope admin --ttl forever", 2, "expected a duration"),
        ("service-account create x --platform --tenant clinic", 2, "contradict each other"),
        ("tenant set default --no-staff --staff-email a@b.org", 2, "contradict each other"),
        ("token create --scope everything", 2, "--scope: 'everything' is not a scope; expected plans:read"),
        ("tenant set default --max-jobs -1", 2, "--max-jobs is -1; expected a whole number"),
        ("tenant set default --max-testees 1000000001", 2, "expected a whole number up to 1000000000"),
        ("tenant create x --max-active-plans many", 2, "--max-active-plans is many; expected"),
        ("api-key create x --scope everything", 2, "--scope: 'everything' is not a scope"),
        ("api-key create x --scope admin --ttl 400d", 2, "of up to 366 days"),
        ("api-key revoke qsk_secret", 2, "is no id of a key"),
        ("api-key revoke 00000000-0000-0000-0000-000000000000", 1, "there is no such API key"),
        ("service-account create x --scope everything", 2, "--scope: 'everything' is not a scope"),
        ("user create bob --role boss", 2, "--role: 'boss' is not a role; expected viewer"),
        ("token create --scope admin --tenant nowhere", 1, "there is no tenant 'nowhere'"),
        ("service-account create x --platform --scope admin", 2, "cannot hold it"),
        ("user disable nobody", 1, "there is no user 'nobody'"),
        ("user roles nobody --role viewer", 1, "there is no user 'nobody'"),
        ("user roles nobody --role boss", 2, "--role: 'boss' is not a role; expected viewer"),
        ("service-account renew-secret nobody", 1, "there is no service account 'nobody'"),
    ):
        found = qs(installation, *verb.split())

        assert (found.returncode, found.stdout) == (code, ""), verb
        assert said in found.stderr
        assert "Traceback" not in found.stderr


def test_a_guessable_password_is_refused_without_being_repeated(installation: Installation):
    found = qs(installation, "user", "create", "bob", "--role", "viewer", stdin="qwertyuiop\n")

    assert found.returncode == 1
    assert "/password" in found.stderr
    assert "qwertyuiop" not in found.stderr + found.stdout
