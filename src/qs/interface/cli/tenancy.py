"""Whose rows a verb works on, and who it says did it."""

from collections.abc import Mapping
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from qs.domain.identity.errors import TenantAbsent
from qs.interface.cli.output import misuse

if TYPE_CHECKING:
    from qs.container import Container

Tenant = Annotated[
    str, typer.Option("--tenant", metavar="SLUG", envvar="QS_TENANT", help="The tenant that is meant.")
]
"""The option of every verb that works inside a tenant: ``def show(tenant: Tenant = "default")``."""

Listed = Literal["delivery", "event", "notification", "plan", "task", "webhook"]
LISTS: Mapping[Listed, str] = {
    "delivery": "webhooks deliveries",
    "event": "events tail --json",
    "notification": "notifications list",
    "plan": "plan list",
    "task": "task list",
    "webhook": "webhooks list",
}
"""The verb that shows the ids of each."""


def actor() -> str:
    """The person at this terminal, as facts and audit rows name them."""
    try:
        return f"cli:{getuser()}"
    except (KeyError, OSError):
        # A container may run under a number that no account has.
        return "cli:unknown"


async def tenant_of(container: "Container", slug: str) -> UUID:
    """The id of the tenant of that short name. Raises TenantAbsent."""
    tenant_id = await container.account_directory().tenant_id(slug)
    if tenant_id is None:
        raise TenantAbsent(slug)
    return tenant_id


def read_id(text: str, what: Listed) -> UUID:
    """The id that was typed; anything else is misuse."""
    try:
        return UUID(text)
    except ValueError:
        misuse(f"{text[:60]} is no {what} id; copy one from `qs {LISTS[what]}`")
