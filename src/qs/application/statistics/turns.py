"""Tenant after tenant, so that what is wrong with one keeps none of the others waiting."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import structlog

T = TypeVar("T")

_log = structlog.get_logger()


async def in_turn(tenants: Sequence[UUID], work: Callable[[UUID], Awaitable[T]]) -> list[T]:
    """What the work returned for each tenant.

    Raises:
        whatever failed first, once every tenant has had its turn.
    """
    done: list[T] = []
    first: Exception | None = None
    for tenant_id in tenants:
        try:
            done.append(await work(tenant_id))
        except Exception as error:  # noqa: BLE001 - it is raised when the others are done
            _log.warning("tenant_failed", tenant_id=str(tenant_id), error=type(error).__name__)
            first = first or error
    if first is not None:
        raise first
    return done
