"""Whom an identity provider's claims stand for."""

from typing import Any

import pytest

from qs.domain.identity.errors import ProviderTokenRefused
from qs.domain.identity.provider_claims import ClaimRules
from qs.domain.identity.scopes import ROLES

GOOD: dict[str, Any] = {"sub": "alice", "tenant": "default"}


def scopes(rules: ClaimRules | None = None, **claims: Any) -> frozenset[str]:
    return (rules or ClaimRules()).subject_of(GOOD | claims).scopes


@pytest.mark.parametrize("claim", ["scope", "scp"])
@pytest.mark.parametrize(
    "value", ["openid plans:read  tasks:read", ["openid", "plans:read", "tasks:read", 7, None]]
)
def test_scopes_are_read_from_a_text_or_a_list(claim: str, value: Any) -> None:
    assert scopes(**{claim: value}) == {"plans:read", "tasks:read"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        [],
        {},
        7,
        True,
        {"plans:read": True},
        [["plans:read"]],
        "PLANS:READ",
        "plans:read,tasks:read",
    ],
)
def test_what_is_no_scope_allows_nothing(value: Any) -> None:
    assert scopes(scope=value) == frozenset()
    assert scopes(roles=value) == frozenset()


def test_roles_bundle_scopes_and_unknown_ones_add_none() -> None:
    assert scopes(roles=["viewer", "offline_access"]) == ROLES["viewer"]
    assert scopes(roles="viewer service", scope="entry:read") == ROLES["viewer"] | ROLES["service"] | {
        "entry:read"
    }


def test_only_roles_with_the_prefix_count_where_there_is_one() -> None:
    rules = ClaimRules(role_prefix="qs-")

    assert scopes(rules, roles=["admin", "qs-viewer", "qs-qs-operator"]) == ROLES["viewer"]


def test_a_claim_is_found_by_its_whole_name_before_it_is_taken_for_a_path() -> None:
    rules = ClaimRules(roles_claim="realm_access.roles", tenant_claim="https://qs.example.org/tenant")
    claims = {"sub": "a", "https://qs.example.org/tenant": "clinic", "realm_access": {"roles": ["viewer"]}}

    assert rules.subject_of(claims).tenant == "clinic"
    assert rules.subject_of(claims).scopes == ROLES["viewer"]
    assert rules.subject_of(claims | {"realm_access.roles": ["service"]}).scopes == ROLES["service"]
    assert rules.subject_of(claims | {"realm_access": ["viewer"]}).scopes == frozenset()


def test_the_default_tenant_is_for_tokens_that_name_none() -> None:
    rules = ClaimRules(default_tenant="default")

    assert rules.subject_of({"sub": "a"}).tenant == "default"
    assert rules.subject_of({"sub": "a", "tenant": "clinic"}).tenant == "clinic"
    many: list[Any] = ["", ["clinic"], 7, {}, "x" * 65]
    for useless in many:
        with pytest.raises(ProviderTokenRefused):
            rules.subject_of({"sub": "a", "tenant": useless})


def test_without_a_tenant_or_a_subject_a_token_stands_for_nobody() -> None:
    for claims in (
        {"sub": "a"},
        {"tenant": "default"},
        GOOD | {"sub": ""},
        GOOD | {"sub": 7},
        GOOD | {"sub": "a\n"},
    ):
        with pytest.raises(ProviderTokenRefused):
            ClaimRules().subject_of(claims)
