"""`qs tenant`: the organisations that own rows, and how much each may have."""

from collections.abc import Iterable
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from qs.application.identity.administering_tenants import TenantChange
from qs.domain.identity.tenant import Quotas, StaffContact, Tenant, TenantStatus
from qs.domain.kernel.quotas import MOST, Quota
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
StaffUrls = Annotated[
    typer.FileText | None,
    typer.Option(
        "--staff-urls",
        metavar="FILE",
        help="Whom to tell over apprise: a file with an address such as slack://… in each line; - is the standard input.",
    ),
]
MaxTestees = Annotated[
    str | None,
    typer.Option("--max-testees", metavar="N|none", help="How many testees it may have who are not erased."),
]
MaxActivePlans = Annotated[
    str | None,
    typer.Option(
        "--max-active-plans", metavar="N|none", help="How many plans of it may be active at a time."
    ),
]
MaxJobs = Annotated[
    str | None, typer.Option("--max-jobs", metavar="N|none", help="How many jobs it may have.")
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
    max_testees: MaxTestees = None,
    max_active_plans: MaxActivePlans = None,
    max_jobs: MaxJobs = None,
    json_mode: Json = False,
) -> None:
    """Create a tenant, with the starter scales in its catalogue."""
    limits = _limits(max_testees, max_active_plans, max_jobs)
    quotas = Quotas(**{quota.value: most for quota, most in limits.items()})
    _answer(run_async(_create(slug, name or slug, timezone, quotas)), json_mode)


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
    staff_urls: StaffUrls = None,
    no_staff: Annotated[
        bool, typer.Option("--no-staff", help="Tell nobody; failures go to the log.")
    ] = False,
    status: Annotated[Status | None, typer.Option("--status", help="Suspended lets nobody in.")] = None,
    max_testees: MaxTestees = None,
    max_active_plans: MaxActivePlans = None,
    max_jobs: MaxJobs = None,
    json_mode: Json = False,
) -> None:
    """Change a tenant: what is not named stays as it is. A quota of `none` is no limit; a lower one takes nothing away."""
    if (staff_email or staff_urls) and no_staff:
        given = "--staff-email" if staff_email else "--staff-urls"
        misuse(f"{given} and --no-staff contradict each other; give one")
    contacts: Iterable[StaffContact] | None = None
    if staff_email or staff_urls or no_staff:
        contacts = [StaffContact("email", address) for address in staff_email or ()]
        contacts += [StaffContact("apprise", line.strip()) for line in staff_urls or () if line.strip()]
    limits = _limits(max_testees, max_active_plans, max_jobs)
    change = TenantChange(name, timezone, contacts, TenantStatus(status) if status else None, limits)
    _answer(run_async(_change(slug, change)), json_mode)


def _limits(testees: str | None, active_plans: str | None, jobs: str | None) -> dict[Quota, int | None]:
    """The quotas that were named; None is any number."""
    named = {Quota.TESTEES: testees, Quota.ACTIVE_PLANS: active_plans, Quota.JOBS: jobs}
    return {quota: _limit(quota, text) for quota, text in named.items() if text is not None}


def _limit(quota: Quota, text: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MOST)) or int(text) > MOST:
        option = f"--{quota.value.replace('_', '-')}"
        misuse(f"{option} is {text[:40]}; expected a whole number up to {MOST}, or none for no limit")
    return int(text)


async def _create(slug: str, name: str, timezone: str | None, quotas: Quotas) -> Tenant:
    settings = current_settings()
    async with open_container(settings) as container:
        administration = container.tenant_administration()
        return await administration.create(
            slug, name, timezone or settings.timezone, actor=actor(), quotas=quotas
        )


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
    contacts = [{"channel": each.channel, "address": each.shown} for each in shown.staff_contacts]
    emit({**_brief(shown), "staff_contacts": contacts}, json_mode)


def _brief(shown: Tenant) -> dict[str, Any]:
    return {
        "id": shown.id,
        "slug": shown.slug,
        "name": shown.name,
        "timezone": shown.timezone,
        "status": shown.status,
        "quotas": asdict(shown.quotas),
    }
