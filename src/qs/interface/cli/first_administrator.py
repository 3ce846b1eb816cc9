"""The first administrator, made at the start of the API where there is none."""

from typing import Any

from qs.container import build_container, close
from qs.settings import Settings
from qs.settings.checks import is_loopback


async def ensure_administrator(settings: Settings, *, may_generate: bool) -> dict[str, Any] | None:
    """The administrator that was made, with the password when it was made up here; None where there was one already.

    One is made of the settings' pair, or where that is missing and ``may_generate``, out of nothing; the latter only
    outside production and where the API is reached from this machine alone. An identity provider has its own.
    """
    if settings.auth.mode != "builtin":
        return None
    convenient = may_generate and settings.env != "production" and is_loopback(settings.server.host)
    if settings.auth.admin_username is None and not convenient:
        return None
    container = build_container(settings)
    try:
        made = await container.bootstrap().ensure_administrator(
            settings.auth.admin_username, settings.auth.admin_password, may_generate=convenient
        )
    finally:
        await close(container)
    if made is None:
        return None
    return {"username": made.username, "password": made.generated_password}
