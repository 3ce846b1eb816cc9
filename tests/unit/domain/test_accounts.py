"""What names, passwords, roles, tenants and sessions may be."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from qs.domain.identity.accounts import known_roles, new_account_name
from qs.domain.identity.credentials import LONGEST_PASSWORD, new_password, new_username, same_username
from qs.domain.identity.errors import (
    PasswordUnfit,
    RoleUnknown,
    ServiceAccountInvalid,
    TenantInvalid,
    TenantReserved,
    UsernameUnfit,
)
from qs.domain.identity.session import RefreshToken, Standing
from qs.domain.identity.tenant import StaffContact, Tenant, TenantStatus
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.kernel.zones import UnknownZone

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def tenant(**facts: object) -> Tenant:
    return Tenant(**{"id": uuid4(), "slug": "clinic", "name": "Clinic", "timezone": "Europe/Berlin", **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["Alice", "ALICE", "alice", "Ａｌｉｃｅ"])
def test_a_user_name_is_the_same_however_it_is_typed(text: str):
    assert same_username(text) == new_username(text) == "alice"


@pytest.mark.parametrize(
    "text", ["", "-x", " alice", "a b", "a\x00b", "a\nb", "a" * 129, "@", "a/b", "a\u202eb"]
)
def test_a_user_name_that_cannot_be_typed_reliably_is_refused(text: str):
    with pytest.raises(UsernameUnfit):
        new_username(text)


@pytest.mark.parametrize("text", ["王小明", "a.b@example.org", "münchen", "x"])
def test_people_may_use_their_own_script_and_mail_addresses(text: str):
    assert new_username(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "a" * 20,
        "abababab",
        "Password1",
        "QWERTYUIOP",
        "ALICE-is-here",
        "tab\there1",
        "x" * 255 + "yz",
    ],
)
def test_a_guessable_or_unmanageable_password_is_refused_without_being_shown(text: str):
    with pytest.raises(PasswordUnfit) as caught:
        new_password(text, "alice-is-here")

    shown = str(caught.value) + "".join(problem.detail for problem in caught.value.problems)
    assert len(text) < 5 or text not in shown


@pytest.mark.parametrize("text", ["long enough", "密码密码长度八位", "x1" * 3 + "y" * (LONGEST_PASSWORD - 6)])
def test_a_long_enough_password_needs_no_special_characters(text: str):
    assert new_password(text, "alice") == text


def test_roles_are_kept_once_and_in_order():
    assert known_roles(["admin", "viewer", "admin"]) == ("viewer", "admin")
    with pytest.raises(RoleUnknown, match="fields"):
        known_roles(["viewer", "root"])


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 64, "a/b", "名"])
def test_an_account_name_is_fit_for_logs(name: str):
    with pytest.raises(ServiceAccountInvalid):
        new_account_name(name)


@pytest.mark.parametrize("slug", ["", "Clinic", "-a", "a" * 64, "a_b", "a b"])
def test_a_tenant_needs_a_plain_short_name(slug: str):
    with pytest.raises(TenantInvalid):
        Tenant.create(uuid4(), slug, "Clinic", "UTC")


def test_a_tenant_needs_a_zone_that_exists():
    with pytest.raises(UnknownZone):
        Tenant.create(uuid4(), "clinic", "Clinic", "Mars/Olympus")
    with pytest.raises(UnknownZone):
        tenant().move_to("berlin")


def test_a_tenant_remembers_what_was_changed_and_nothing_that_was_not():
    changed = tenant()

    changed.rename("Clinic")
    changed.rename("Practice")
    changed.suspend()
    changed.suspend()

    assert changed.changes == ("name", "status")
    assert changed.status is TenantStatus.SUSPENDED
    assert not changed.is_active


@pytest.mark.parametrize(
    "address", ["a", "a@", "@b", "a b@c.org", "a@b.org\nBcc: x@y.org", "<a@b.org>", "a@b.org,c@d.org"]
)
def test_a_staff_contact_is_one_address_and_no_header(address: str):
    with pytest.raises(TenantInvalid) as caught:
        tenant().notify([StaffContact("email", "ok@example.org"), StaffContact("email", address)])

    assert [problem.pointer for problem in caught.value.problems] == ["/staff_contacts/1"]


def test_a_staff_contact_on_a_channel_that_is_not_there_is_refused():
    with pytest.raises(TenantInvalid):
        tenant().notify([StaffContact("pager", "a@b.org")])


@pytest.mark.parametrize(
    "address", ["slack", "slack://", "slack://a b", "slack://a\nb", "1slack://a", "s://" + "x" * 2001]
)
def test_an_apprise_contact_is_one_address_with_its_kind(address: str):
    with pytest.raises(TenantInvalid):
        tenant().notify([StaffContact("apprise", address)])


SLACK, OTHER_SLACK = StaffContact("apprise", "Slack://one/a"), StaffContact("apprise", "slack://two/b")
DINGTALK, HIDDEN = StaffContact("apprise", "dingtalk://c"), StaffContact("apprise", "slack://********")


def test_an_apprise_contact_is_shown_by_its_kind_and_comes_back_as_it_was():
    changed = tenant()
    changed.notify([SLACK, DINGTALK, OTHER_SLACK])
    shown = [StaffContact(each.channel, each.shown) for each in changed.staff_contacts]

    changed.notify(shown)

    assert [each.address for each in shown] == ["slack://********", "dingtalk://********", "slack://********"]
    assert changed.staff_contacts == (SLACK, DINGTALK, OTHER_SLACK)
    changed.notify([HIDDEN, StaffContact("email", "ok@example.org"), HIDDEN])
    assert changed.staff_contacts == (SLACK, StaffContact("email", "ok@example.org"), OTHER_SLACK)
    changed.notify([OTHER_SLACK, HIDDEN, HIDDEN, DINGTALK])
    assert changed.staff_contacts == (OTHER_SLACK, SLACK, DINGTALK)


@pytest.mark.parametrize("given", [[HIDDEN], [HIDDEN] * 3, [StaffContact("apprise", "json://********")]])
def test_a_hidden_contact_that_may_mean_several_or_none_is_refused(given: list[StaffContact]):
    changed = tenant(staff_contacts=(SLACK, OTHER_SLACK))

    with pytest.raises(TenantInvalid):
        changed.notify(given)

    assert changed.staff_contacts == (SLACK, OTHER_SLACK)


def test_the_platforms_own_tenant_cannot_be_changed():
    with pytest.raises(TenantReserved):
        tenant(id=PLATFORM_TENANT).suspend()


@pytest.mark.parametrize(
    ("facts", "standing"),
    [
        ({}, Standing.USABLE),
        ({"used_at": NOW}, Standing.REUSED),
        ({"revoked_at": NOW}, Standing.DEAD),
        ({"used_at": NOW, "revoked_at": NOW}, Standing.DEAD),
        ({"expires_at": NOW}, Standing.DEAD),
        ({"expires_at": NOW, "used_at": NOW}, Standing.DEAD),
    ],
)
def test_a_refresh_token_works_once_and_until_it_expires(facts: dict[str, datetime], standing: Standing):
    token = RefreshToken(uuid4(), uuid4(), uuid4(), **{"expires_at": NOW + timedelta(seconds=1), **facts})

    assert token.standing(NOW) is standing
