"""Operators create and change tenants, users, service accounts and tokens, and each change is on record."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from qs.application.identity.administering_tenants import TenantChange
from qs.container import Container
from qs.domain.identity.accounts import User
from qs.domain.identity.errors import (
    RoleUnknown,
    ScopeNotForPlatform,
    ScopeUnknown,
    ServiceAccountAbsent,
    ServiceAccountInvalid,
    ServiceAccountNameTaken,
    SlugTaken,
    TenantAbsent,
    TenantInvalid,
    TenantReserved,
    UserAbsent,
    UsernameTaken,
)
from qs.domain.identity.tenant import StaffContact, TenantStatus
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.kernel.zones import UnknownZone
from qs.infra.identity.staff_contacts import read_staff_contacts
from tests.integration.identity.people import PASSWORD

WHO = "cli:tester"
CONTACTS = (StaffContact("email", "nurse@example.org"), StaffContact("email", "护士@example.org"))


async def audited(truth: asyncpg.Connection) -> Sequence[tuple[str, str]]:
    rows = await truth.fetch("SELECT action, actor, tenant_id FROM audit ORDER BY id")
    return [(row["action"], row["actor"]) for row in rows]


async def test_a_new_tenant_begins_with_the_default_tenants_scales(
    container: Container, truth: asyncpg.Connection
):
    tenant = await container.tenant_administration().create("clinic", "Clinic", "Europe/Berlin", actor=WHO)

    query = "SELECT code, title, version, published FROM scale WHERE tenant_id = $1 ORDER BY code"
    scales = await truth.fetch(query, tenant.id)
    assert len(scales) == 2
    assert scales == await truth.fetch(query, DEFAULT_TENANT)
    assert await audited(truth) == [("tenant.created", WHO)]
    assert await truth.fetchval("SELECT tenant_id FROM audit") == tenant.id


async def test_a_tenant_that_cannot_be_is_not_created(container: Container, truth: asyncpg.Connection):
    tenants = container.tenant_administration()
    with pytest.raises(SlugTaken):
        await tenants.create("default", "Again", "UTC", actor=WHO)
    with pytest.raises(TenantInvalid):
        await tenants.create("Not A Slug", "Clinic", "UTC", actor=WHO)
    with pytest.raises(UnknownZone):
        await tenants.create("clinic", "Clinic", "Mars/Olympus", actor=WHO)

    assert await truth.fetchval("SELECT count(*) FROM tenant") == 2
    assert await audited(truth) == []


async def test_tenants_are_listed_without_the_platforms_own(container: Container):
    tenants = container.tenant_administration()
    await tenants.create("clinic", "Clinic", "UTC", actor=WHO)

    assert [tenant.slug for tenant in await tenants.list()] == ["clinic", "default"]


async def test_a_change_is_seen_and_on_record_once(container: Container, truth: asyncpg.Connection):
    tenants = container.tenant_administration()
    change = TenantChange("Practice", "Europe/Berlin", CONTACTS, TenantStatus.SUSPENDED)

    await tenants.change("default", change, actor=WHO)
    await tenants.change("default", change, actor=WHO)

    shown = await tenants.show("default")
    assert (shown.name, shown.timezone, shown.status) == ("Practice", "Europe/Berlin", TenantStatus.SUSPENDED)
    assert shown.staff_contacts == CONTACTS
    assert await audited(truth) == [("tenant.changed", WHO)]


async def test_what_a_change_does_not_name_stays(container: Container):
    tenants = container.tenant_administration()
    await tenants.change("default", TenantChange(staff_contacts=CONTACTS), actor=WHO)

    changed = await tenants.change("default", TenantChange(name="Practice"), actor=WHO)

    assert changed.staff_contacts == CONTACTS
    assert changed.timezone == "Asia/Shanghai"


async def test_staff_contacts_are_ciphertext_bound_to_their_tenant(
    container: Container, truth: asyncpg.Connection
):
    await container.tenant_administration().change(
        "default", TenantChange(staff_contacts=CONTACTS), actor=WHO
    )

    stored = await truth.fetchval("SELECT staff_contacts FROM tenant WHERE slug = 'default'")
    assert b"nurse" not in stored
    assert b"nurse" not in str(await truth.fetch("SELECT detail FROM audit")).encode()
    async with container.identity_uow()(DEFAULT_TENANT) as uow:
        cipher = container.personal_cipher()
        assert await read_staff_contacts(uow.connection, cipher, DEFAULT_TENANT) == CONTACTS
        assert await read_staff_contacts(uow.connection, cipher, uuid4()) == ()


async def test_of_two_changes_at_once_none_is_lost_in_silence(container: Container):
    tenants = container.tenant_administration()
    names = [f"Practice {number}" for number in range(8)]

    answers = await asyncio.gather(
        *(tenants.change("default", TenantChange(name=name), actor=WHO) for name in names),
        return_exceptions=True,
    )

    kept = [answer.name for answer in answers if not isinstance(answer, BaseException)]
    assert kept
    assert (await tenants.show("default")).name in kept
    assert {type(answer).__name__ for answer in answers if isinstance(answer, BaseException)} <= {
        "TenantChanged"
    }


async def test_the_platform_and_unknown_tenants_are_not_the_operators(container: Container):
    tenants = container.tenant_administration()
    with pytest.raises(TenantReserved):
        await tenants.change("platform", TenantChange(name="Mine"), actor=WHO)
    with pytest.raises(TenantReserved):
        await tenants.show("platform")
    with pytest.raises(TenantAbsent):
        await tenants.show("nowhere")


async def test_a_user_name_is_taken_over_all_tenants(container: Container, alice: User):
    tenant = await container.tenant_administration().create("clinic", "Clinic", "UTC", actor=WHO)

    with pytest.raises(UsernameTaken):
        await container.user_administration().create(tenant.id, "ALICE", PASSWORD, ["viewer"], actor=WHO)


async def test_users_of_another_tenant_are_absent(container: Container, alice: User):
    tenant = await container.tenant_administration().create("clinic", "Clinic", "UTC", actor=WHO)
    users = container.user_administration()

    assert await users.list(tenant.id) == []
    with pytest.raises(UserAbsent):
        await users.disable(tenant.id, "alice", actor=WHO)
    with pytest.raises(UserAbsent):
        await users.set_password(tenant.id, "alice", PASSWORD, actor=WHO)
    assert [user.username for user in await users.list(DEFAULT_TENANT)] == ["alice"]


async def test_a_user_needs_a_role_that_exists_and_a_tenant_that_has_users(container: Container):
    users = container.user_administration()
    with pytest.raises(RoleUnknown):
        await users.create(DEFAULT_TENANT, "bob", PASSWORD, ["emperor"], actor=WHO)
    with pytest.raises(TenantReserved):
        await users.create(PLATFORM_TENANT, "bob", PASSWORD, ["admin"], actor=WHO)


async def test_each_change_of_a_user_is_on_record_without_the_password(
    container: Container, alice: User, truth: asyncpg.Connection
):
    users = container.user_administration()
    await users.set_password(DEFAULT_TENANT, "alice", "another " + PASSWORD, actor=WHO)
    disabled = await users.disable(DEFAULT_TENANT, "alice", actor=WHO)
    again = await users.disable(DEFAULT_TENANT, "alice", actor=WHO)

    assert disabled.disabled_at is not None
    assert again.disabled_at == disabled.disabled_at
    assert await audited(truth) == [
        ("user.created", "test"),
        ("user.password_set", WHO),
        ("user.disabled", WHO),
    ]
    assert PASSWORD not in str(await truth.fetch("SELECT audit::text FROM audit"))


async def test_a_service_account_holds_what_it_was_given(container: Container, truth: asyncpg.Connection):
    accounts = container.service_account_administration()

    made = await accounts.create(DEFAULT_TENANT, "cron", ["tasks:schedule"], actor=WHO)

    (listed,) = await accounts.list(DEFAULT_TENANT)
    assert (listed.name, listed.scopes, listed.client_id) == (
        "cron",
        frozenset({"tasks:schedule"}),
        made.account.client_id,
    )
    assert await accounts.list(PLATFORM_TENANT) == []
    assert await audited(truth) == [("service_account.created", WHO)]


async def test_a_service_account_that_cannot_be_is_not_created(
    container: Container, truth: asyncpg.Connection
):
    accounts = container.service_account_administration()
    await accounts.create(DEFAULT_TENANT, "cron", ["tasks:schedule"], actor=WHO)

    with pytest.raises(ServiceAccountNameTaken):
        await accounts.create(DEFAULT_TENANT, "cron", ["tasks:schedule"], actor=WHO)
    with pytest.raises(ScopeUnknown):
        await accounts.create(DEFAULT_TENANT, "other", ["tasks:burn"], actor=WHO)
    with pytest.raises(ScopeNotForPlatform):
        await accounts.create(PLATFORM_TENANT, "other", ["admin"], actor=WHO)
    with pytest.raises(ServiceAccountInvalid):
        await accounts.create(DEFAULT_TENANT, "a b", ["tasks:schedule"], actor=WHO)
    assert await truth.fetchval("SELECT count(*) FROM service_account") == 1


async def test_the_platform_and_a_tenant_may_use_the_same_account_name(container: Container):
    accounts = container.service_account_administration()
    for owner in (DEFAULT_TENANT, PLATFORM_TENANT):
        await accounts.create(owner, "cron", ["tasks:schedule"], actor=WHO)

    await accounts.disable(PLATFORM_TENANT, "cron", actor=WHO)

    assert [account.is_enabled for account in await accounts.list(DEFAULT_TENANT)] == [True]
    assert [account.is_enabled for account in await accounts.list(PLATFORM_TENANT)] == [False]


async def test_disabling_an_account_that_is_not_there_says_so(container: Container):
    with pytest.raises(ServiceAccountAbsent):
        await container.service_account_administration().disable(DEFAULT_TENANT, "cron", actor=WHO)


async def test_a_token_made_by_hand_stands_for_itself_and_is_on_record(
    container: Container, truth: asyncpg.Connection
):
    issued = await container.token_issuing().issue(DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor=WHO)

    who = await container.authentication().authenticate(issued.token)
    assert who.actor == f"token:{issued.id}"
    (row,) = await truth.fetch("SELECT action, object_id, audit::text AS whole FROM audit")
    assert (row["action"], row["object_id"]) == ("token.issued", issued.id)
    assert issued.token not in row["whole"]


async def test_a_token_cannot_be_made_for_the_platform_or_with_a_scope_that_is_none(container: Container):
    issuing = container.token_issuing()
    with pytest.raises(TenantReserved):
        await issuing.issue(PLATFORM_TENANT, ["tasks:schedule"], timedelta(hours=1), actor=WHO)
    with pytest.raises(ScopeUnknown):
        await issuing.issue(DEFAULT_TENANT, ["everything"], timedelta(hours=1), actor=WHO)


async def test_the_first_administrator_is_who_the_operator_says(
    container: Container, truth: asyncpg.Connection
):
    made = await container.bootstrap().ensure_administrator("Boss", PASSWORD, may_generate=True)

    assert made is not None
    assert (made.username, made.generated_password) == ("boss", None)
    assert (await container.login().log_in("boss", PASSWORD, "::1")).access_token
    assert ("user.created", "system:bootstrap") in await audited(truth)


async def test_without_a_name_one_is_made_up_only_where_that_is_allowed(container: Container):
    bootstrap = container.bootstrap()

    assert await bootstrap.ensure_administrator(None, None, may_generate=False) is None
    made = await bootstrap.ensure_administrator(None, None, may_generate=True)

    assert made is not None
    assert made.generated_password is not None
    assert made.username == "admin"
    assert (await container.login().log_in("admin", made.generated_password, "::1")).access_token
    assert made.generated_password not in repr(made)


async def test_where_there_was_an_administrator_none_is_made(container: Container, truth: asyncpg.Connection):
    bootstrap = container.bootstrap()
    await bootstrap.ensure_administrator("boss", PASSWORD, may_generate=False)
    await truth.execute("UPDATE app_user SET disabled_at = now()")

    assert await bootstrap.ensure_administrator("other", PASSWORD, may_generate=True) is None


async def test_a_name_that_somebody_else_has_stops_the_start(container: Container, alice: User):
    with pytest.raises(UsernameTaken):
        await container.bootstrap().ensure_administrator("alice", PASSWORD, may_generate=True)


async def test_processes_that_start_at_once_make_one_administrator_between_them(
    container: Container, truth: asyncpg.Connection
):
    bootstrap = container.bootstrap()

    made = await asyncio.gather(
        *(bootstrap.ensure_administrator(None, None, may_generate=True) for _ in range(8))
    )

    assert len([each for each in made if each is not None]) == 1
    assert await truth.fetchval("SELECT count(*) FROM app_user") == 1
