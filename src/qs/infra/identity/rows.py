"""How rows become accounts."""

from collections.abc import Mapping
from typing import Any

from qs.domain.identity.accounts import ServiceAccount, User
from qs.domain.identity.api_keys import ApiKey
from qs.domain.identity.session import RefreshToken
from qs.domain.identity.tenant import Quotas
from qs.domain.kernel.quotas import Quota


def quotas_of(row: Mapping[Any, Any]) -> Quotas:
    return Quotas(**{quota.value: row[quota.value] for quota in Quota})


def user_of(row: Mapping[Any, Any]) -> User:
    return User(
        id=row["id"],
        tenant_id=row["tenant_id"],
        username=row["username"],
        roles=tuple(row["roles"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def service_account_of(row: Mapping[Any, Any]) -> ServiceAccount:
    return ServiceAccount(
        id=row["id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        client_id=row["client_id"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def refresh_token_of(row: Mapping[Any, Any]) -> RefreshToken:
    return RefreshToken(
        id=row["id"],
        user_id=row["user_id"],
        family=row["family"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
    )


def api_key_of(row: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
