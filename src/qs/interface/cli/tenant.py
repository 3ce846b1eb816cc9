"""`qs tenant`: the organisations that own rows."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer

from qs.application.identity.administering_tenants import TenantChange
from qs.domain.identity.tenant import StaffContact, Tenant, TenantStatus
from qs.interface.cli.output import Json, emit, misuse, rows, run_async
from qs.interface.cli.session import current_settings, open_container
from qs.interface.cli.tenancy import actor

app = typer.Typer(no_args_is_help=True)

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The tenant's short name.")]
Timezone = Annotated[str | None, typer.Option("--timezone", help="An IANA time zone name.")]
StaffEmail = Annotated[
    list[str] | None,
    typer.Option("--staff-email", metavar="ADDRESS", help="Whom to tell by e-mail; repeat for several."),
]


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


@app.callback()
def tenant() -> None:
    """Tenants."""


@app.command()
def create(
    slug: Slug,
    name: Annotated[str | None, typer.Option("--name", help="The full name; else the short one.")] = None,
    timezone: Timezone = None,
    json_mode: Json = False,
) -> None:
    """Create a tenant, with the starter scales in its catalogue."""
    _answer(run_async(_create(slug, name or slug, timezone)), json_mode)


@app.command(name="list")
def list_(json_mode: Json = False) -> None:
    """List all tenants."""
    found = run_async(_list())
    columns = ("slug", "name", "timezone", "status", "id")
    data = [_brief(each) for each in found]
    emit(data, json_mode, rows(columns, ([each[column] for column in columns] for each in data)))


@app.command()
def show(slug: Slug, json_mode: Json = False) -> None:
    """Show a tenant with its staff contacts."""
    _answer(run_async(_show(slug)), json_mode)


@app.command(name="set")
def set_(
    slug: Slug,
    name: Annotated[str | None, typer.Option("--name", help="The full name.")] = None,
    timezone: Timezone = None,
    staff_email: StaffEmail = None,
    no_staff: Annotated[
        bool, typer.Option("--no-staff", help="Tell nobody; failures go to the log.")
    ] = False,
    status: Annotated[Status | None, typer.Option("--status", help="Suspended lets nobody in.")] = None,
    json_mode: Json = False,
) -> None:
    """Change a tenant: what is not named stays as it is."""
    if staff_email and no_staff:
        misuse("--staff-email and --no-staff contradict each other; give one")
    contacts: Iterable[StaffContact] | None = None
    if staff_email or no_staff:
        contacts = [StaffContact("email", address) for address in staff_email or ()]
    change = TenantChange(name, timezone, contacts, TenantStatus(status) if status else None)
    _answer(run_async(_change(slug, change)), json_mode)


async def _create(slug: str, name: str, timezone: str | None) -> Tenant:
    settings = current_settings()
    async with open_container(settings) as container:
        administration = container.tenant_administration()
        return await administration.create(slug, name, timezone or settings.timezone, actor=actor())


async def _list() -> Iterable[Tenant]:
    async with open_container() as container:
        return await container.tenant_administration().list()


async def _show(slug: str) -> Tenant:
    async with open_container() as container:
        return await container.tenant_administration().show(slug)


async def _change(slug: str, change: TenantChange) -> Tenant:
    async with open_container() as container:
        return await container.tenant_administration().change(slug, change, actor=actor())


def _answer(shown: Tenant, json_mode: bool) -> None:
    emit({**_brief(shown), "staff_contacts": list(shown.staff_contacts)}, json_mode)


def _brief(shown: Tenant) -> dict[str, Any]:
    return {
        "id": shown.id,
        "slug": shown.slug,
        "name": shown.name,
        "timezone": shown.timezone,
        "status": shown.status,
    }
