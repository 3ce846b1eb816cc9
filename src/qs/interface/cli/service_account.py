"""`qs service-account`: machines that get tokens by client credentials."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.application.identity.administering_service_accounts import NewServiceAccount
from qs.domain.identity.accounts import ServiceAccount
from qs.domain.identity.scopes import ROLES, grantable
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.interface.cli.output import Json, emit, misuse, misusing, note, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

if TYPE_CHECKING:
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
Platform = Annotated[
    bool,
    typer.Option(
        "--platform", help="For the duties, the scheduler and the metrics of all tenants, and nothing else."
    ),
]


@app.callback()
def service_account() -> None:
    """Service accounts for machines."""


@app.command()
def create(
    ctx: typer.Context,
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="Repeat for several; else tasks:schedule and statistics:sync."),
    ] = None,
    platform: Platform = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Create an account and show its secret, this once."""
    _check_owner(ctx, platform)
    with misusing("--scope"):
        grantable(scope or (), platform=platform)
    made = run_async(_create(name, scope or sorted(ROLES["service"]), platform, tenant))
    _show_once(made, json_mode)


@app.command(name="renew-secret")
def renew_secret(
    ctx: typer.Context,
    name: Name,
    platform: Platform = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Give an account a new secret and show it, this once; the old one works no more."""
    _check_owner(ctx, platform)
    _show_once(run_async(_renew_secret(name, platform, tenant)), json_mode)


@app.command(name="list")
def list_(
    ctx: typer.Context, platform: Platform = False, tenant: Tenant = "default", json_mode: Json = False
) -> None:
    """List the tenant's accounts, or the platform's."""
    _check_owner(ctx, platform)
    data = [_shown(each) for each in run_async(_list(platform, tenant))]
    columns = ("name", "client_id", "scopes", "created_at", "disabled_at")
    emit(data, json_mode, rows(columns, (_cells(each, columns) for each in data)))


@app.command()
def disable(
    ctx: typer.Context,
    name: Name,
    platform: Platform = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Shut an account out; the tokens it has stop working."""
    _check_owner(ctx, platform)
    emit(_shown(run_async(_disable(name, platform, tenant))), json_mode)


def _show_once(made: NewServiceAccount, json_mode: bool) -> None:
    note("the secret is shown this once and kept nowhere; store it where the machine reads it")
    emit({**_shown(made.account), "client_secret": made.client_secret}, json_mode)


def _check_owner(ctx: typer.Context, platform: bool) -> None:
    # QS_TENANT may be set for other verbs; only an option typed here can contradict.
    source = ctx.get_parameter_source("tenant")
    if platform and source is not None and source.name == "COMMANDLINE":
        misuse("--platform and --tenant contradict each other; give one")


async def _create(name: str, scopes: Sequence[str], platform: bool, slug: str) -> NewServiceAccount:
    async with open_container() as container:
        owner = await _owner(container, platform, slug)
        return await container.service_account_administration().create(owner, name, scopes, actor=actor())


async def _renew_secret(name: str, platform: bool, slug: str) -> NewServiceAccount:
    async with open_container() as container:
        owner = await _owner(container, platform, slug)
        return await container.service_account_administration().renew_secret(owner, name, actor=actor())


async def _list(platform: bool, slug: str) -> Sequence[ServiceAccount]:
    async with open_container() as container:
        return await container.service_account_administration().list(await _owner(container, platform, slug))


async def _disable(name: str, platform: bool, slug: str) -> ServiceAccount:
    async with open_container() as container:
        owner = await _owner(container, platform, slug)
        return await container.service_account_administration().disable(owner, name, actor=actor())


async def _owner(container: "Container", platform: bool, slug: str) -> UUID:
    return PLATFORM_TENANT if platform else await tenant_of(container, slug)


def _shown(account: ServiceAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "client_id": account.client_id,
        "scopes": sorted(account.scopes),
        "platform": account.tenant_id == PLATFORM_TENANT,
        "created_at": account.created_at,
        "disabled_at": account.disabled_at,
    }


def _cells(data: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    return [" ".join(data[column]) if column == "scopes" else data[column] for column in columns]
