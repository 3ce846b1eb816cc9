"""The table of who may do what."""

from uuid import uuid4

import pytest

from qs.domain.identity.errors import ScopeNotForPlatform, ScopeUnknown
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.scopes import PLATFORM_SCOPES, ROLES, SCOPES, grantable, scopes_of
from qs.domain.kernel.ids import PLATFORM_TENANT


def principal(*scopes: str, platform: bool = False) -> Principal:
    return Principal(Kind.USER, "1", None if platform else uuid4(), frozenset(scopes))


def test_every_role_bundles_scopes_that_exist():
    for role, scopes in ROLES.items():
        assert scopes, role
        assert scopes <= SCOPES.keys()


def test_platform_accounts_may_hold_only_the_duties_and_the_scheduler():
    assert SCOPES.keys() >= PLATFORM_SCOPES
    assert {scope.partition(":")[2] for scope in PLATFORM_SCOPES if scope.startswith("tasks")} == {"schedule"}
    for prefix in ("plans", "testees", "entry", "events", "audit", "notifications", "admin"):
        assert not any(scope.startswith(prefix) for scope in PLATFORM_SCOPES), prefix


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_admin_may_everything(scope: str):
    assert principal("admin").may(scope)


def test_a_scope_permits_itself_and_nothing_else():
    holder = principal("plans:read")

    assert holder.may("plans:read")
    assert [scope for scope in SCOPES if holder.may(scope)] == ["plans:read"]


def test_any_of_several_scopes_will_do():
    assert principal("plans:read").may_any(("plans:write", "plans:read"))
    assert not principal("plans:read").may_any(("plans:write", "tasks:read"))
    assert not principal("admin").may_any(())


def test_a_viewer_changes_nothing_and_sees_neither_links_nor_contacts():
    viewer = scopes_of(["viewer"])

    assert all(scope.endswith(":read") for scope in viewer)
    assert not viewer & {"entry:read", "testees:read", "audit:read"}


def test_roles_add_up_and_an_unknown_one_adds_nothing():
    assert scopes_of(["viewer", "service"]) == ROLES["viewer"] | ROLES["service"]
    assert scopes_of(["viewer", "emperor"]) == ROLES["viewer"]
    assert scopes_of([]) == frozenset()


def test_an_unknown_scope_cannot_be_granted():
    with pytest.raises(ScopeUnknown) as caught:
        grantable(["plans:read", "plans:erase", "root"])

    assert [problem.pointer for problem in caught.value.problems] == ["/scopes", "/scopes"]
    assert "'plans:erase'" in caught.value.problems[0].detail


def test_a_platform_account_cannot_be_granted_a_tenants_data():
    assert grantable(["tasks:schedule"], platform=True) == {"tasks:schedule"}
    for scope in SCOPES.keys() - PLATFORM_SCOPES:
        with pytest.raises(ScopeNotForPlatform):
            grantable(["tasks:schedule", scope], platform=True)


def test_what_a_platform_account_leaves_behind_belongs_to_the_platform():
    assert principal(platform=True).is_platform
    assert principal(platform=True).home_tenant == PLATFORM_TENANT


def test_an_actor_is_named_by_kind_and_name_else_by_id():
    assert Principal(Kind.SERVICE, "7", None, frozenset(), "cron").actor == "service:cron"
    assert Principal(Kind.TOKEN, "7", None, frozenset()).actor == "token:7"
