"""What ``secret://name`` stands for where tenants store secrets: the operator's first, and never another tenant's."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from qs.application.scheduler.executors import SecretAbsent
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.scheduler.executors.redacting import BLACK
from qs.infra.scheduler.executors.secrets import SecretUnusable, SettingsSecrets
from qs.infra.scheduler.stored_secrets import StoredSecretReader
from tests.support.command_line import called

STORED, SET = "stored by a tenant", "set by the operator"


async def store(container: Container, tenant_id: UUID, name: str, value: str = STORED) -> None:
    await container.secret_keeping().put(tenant_id, name, value, actor="test")


def secrets_of(container: Container, **environment: str) -> Any:
    stored = StoredSecretReader(container.secret_uow())
    return SettingsSecrets({}, environment, tenants=[DEFAULT_TENANT], stored=stored)


async def new_tenant(container: Container) -> UUID:
    tenant = await container.tenant_administration().create("other", "Other", "UTC", actor="test")
    return tenant.id


async def test_a_job_gets_what_its_tenant_stored_and_it_is_blacked_out(container: Container) -> None:
    await store(container, DEFAULT_TENANT, "token")
    secrets = secrets_of(container)

    assert await secrets.reveal(DEFAULT_TENANT, "Bearer secret://token") == f"Bearer {STORED}"
    assert secrets.redact(f"it was {STORED}") == f"it was {BLACK}"


async def test_what_the_operator_set_comes_before_what_is_stored(container: Container) -> None:
    await store(container, DEFAULT_TENANT, "token")

    secrets = secrets_of(container, QS_SECRET_TOKEN=SET)

    assert await secrets.reveal(DEFAULT_TENANT, "secret://token") == SET


async def test_no_tenant_gets_the_secrets_of_the_operator_or_of_another_tenant(container: Container) -> None:
    other = await new_tenant(container)
    await store(container, DEFAULT_TENANT, "ours")
    await store(container, other, "theirs", "stored by the other")
    secrets = secrets_of(container, QS_SECRET_TOKEN=SET, QS_SECRET_THEIRS=SET)

    assert await secrets.reveal(other, "secret://theirs") == "stored by the other"
    for name in ("token", "ours"):
        with pytest.raises(SecretAbsent):
            await secrets.reveal(other, f"secret://{name}")


async def test_a_replaced_secret_is_used_at_once_and_a_deleted_one_is_absent(container: Container) -> None:
    secrets = secrets_of(container)
    for value in ("first value", "second value"):
        await store(container, DEFAULT_TENANT, "token", value)
        assert await secrets.reveal(DEFAULT_TENANT, "secret://token secret://token") == f"{value} {value}"

    await container.secret_keeping().remove(DEFAULT_TENANT, "token", actor="test")

    with pytest.raises(SecretAbsent, match="qs secret set token"):
        await secrets.reveal(DEFAULT_TENANT, "secret://token")


async def test_a_ciphertext_that_was_moved_under_another_name_opens_nothing(
    container: Container, database_url: str
) -> None:
    await store(container, DEFAULT_TENANT, "token")
    superuser = await asyncpg.connect(database_url)
    await superuser.execute("UPDATE secret SET name = 'moved'")
    await superuser.close()

    with pytest.raises(SecretUnusable, match="QS_SECRET_KEY"):
        await secrets_of(container).reveal(DEFAULT_TENANT, "secret://moved")


async def test_no_tenant_can_lay_a_value_into_the_environment_of_a_command(container: Container) -> None:
    await store(container, DEFAULT_TENANT, "token")
    executors = container.job_executors()

    http, command = (vars(executors[kind])["_secrets"] for kind in ("http", "command"))

    assert await http.reveal(DEFAULT_TENANT, "secret://token") == STORED
    with pytest.raises(SecretAbsent):
        await command.reveal(DEFAULT_TENANT, "secret://token")
    # What a call revealed is blacked out of a command's output as well.
    assert command.redact(STORED) == BLACK


def test_a_secret_is_set_from_stdin_or_a_file_listed_and_deleted(
    database_url: str, redis_url: str, tmp_path: Any
) -> None:
    settings = {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa",
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }
    (tmp_path / "value").write_text("from a file\n")

    done = [
        called(settings, "secret", "set", "one", "--json", stdin="from stdin\n"),
        called(settings, "secret", "set", "two", "--file", tmp_path / "value", "--json"),
        called(settings, "secret", "list", "--json"),
        called(settings, "secret", "delete", "one", "--json"),
    ]
    misused = [
        called(settings, "secret", "set", "UPPER", stdin="from stdin"),
        called(settings, "secret", "set", "three", stdin="short"),
        called(settings, "secret", "set", "three", "from an argument", stdin="from stdin"),
    ]
    failed = [
        called(settings, "secret", "delete", "one"),
        called(settings, "secret", "set", "three", "--file", tmp_path / "nowhere"),
    ]

    assert [each.returncode for each in done] == [0] * 4, done
    assert [each.returncode for each in misused] == [2] * 3, misused
    assert [each.returncode for each in failed] == [1] * 2, failed
    assert '"two"' in done[2].stdout
    assert not any("from " in each.stdout + each.stderr for each in [*done, *misused[:2]])
