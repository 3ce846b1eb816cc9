"""`qs api-key`: keys that a tenant's machines send as they are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from qs.application.identity.administering_api_keys import NewApiKey
from qs.domain.identity.api_keys import LONGEST_LIFE, ApiKey
from qs.domain.identity.scopes import grantable
from qs.domain.kernel.durations import parse_duration
from qs.interface.cli.output import Json, emit, misuse, misusing, note, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

app = typer.Typer(no_args_is_help=True)

_COLUMNS = ("name", "id", "scopes", "expires_at", "last_used_at", "revoked_at")


@app.callback()
def api_key() -> None:
    """API keys for machines."""


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the key is for; its successor has the same.")
    ],
    scope: Annotated[list[str], typer.Option("--scope", help="What it may do; repeat for several.")],
    tenant: Tenant = "default",
    ttl: Annotated[str, typer.Option("--ttl", help="How long it works: 30d, 90d …")] = "90d",
    json_mode: Json = False,
) -> None:
    """Make a key and show it, this once; two of a name may work at a time."""
    with misusing("--scope"):
        grantable(scope)
    made = run_async(_create(name, scope, _life(ttl), tenant))
    note("the key is shown this once and kept nowhere; store it where the machine reads it")
    emit({**_shown(made.key), "key": made.secret}, json_mode)


@app.command(name="list")
def list_(tenant: Tenant = "default", json_mode: Json = False) -> None:
    """List the tenant's keys, those that work no more too."""
    data = [_shown(each) for each in run_async(_list(tenant))]
    emit(data, json_mode, rows(_COLUMNS, (_cells(each) for each in data)))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `qs api-key list` shows it.")],
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Take a key back; it works nowhere any more within 3 s."""
    emit(_shown(run_async(_revoke(_id(key), tenant))), json_mode)


async def _create(name: str, scopes: Sequence[str], life: timedelta, slug: str) -> NewApiKey:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.api_key_administration().create(tenant_id, name, scopes, life, actor=actor())


async def _list(slug: str) -> Sequence[ApiKey]:
    async with open_container() as container:
        return await container.api_key_administration().list(await tenant_of(container, slug))


async def _revoke(key_id: UUID, slug: str) -> ApiKey:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.api_key_administration().revoke(tenant_id, key_id, actor=actor())


def _life(text: str) -> timedelta:
    try:
        life = parse_duration(text)
    except (ValueError, OverflowError):
        life = timedelta()
    if not timedelta(seconds=1) <= life <= LONGEST_LIFE:
        misuse(
            f"--ttl is {text[:40]}; expected a duration such as 30d or 90d, of up to {LONGEST_LIFE.days} days"
        )
    return life


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        misuse(f"{text[:12]}… is no id of a key; copy one from `qs api-key list`")


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


def _cells(data: dict[str, Any]) -> list[Any]:
    return [" ".join(data[column]) if column == "scopes" else data[column] for column in _COLUMNS]
