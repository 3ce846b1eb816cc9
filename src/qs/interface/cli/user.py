"""`qs user`: the people who log in."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from qs.domain.identity.accounts import User, known_roles
from qs.domain.identity.scopes import ROLES
from qs.interface.cli.output import Json, emit, misusing, rows, run_async
from qs.interface.cli.passwords import read_password
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

app = typer.Typer(no_args_is_help=True)

Username = Annotated[str, typer.Argument(metavar="USERNAME", help="The name the user logs in with.")]
Roles = Annotated[list[str], typer.Option("--role", help=f"{', '.join(ROLES)}; repeat for several.")]


@app.callback()
def user() -> None:
    """Users. A password is asked for, or read from stdin or QS_USER_PASSWORD."""


@app.command()
def create(
    username: Username,
    role: Roles,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Create a user who may log in at once."""
    with misusing("--role"):
        known_roles(role)
    emit(_shown(run_async(_create(tenant, username, read_password(), role))), json_mode)


@app.command(name="list")
def list_(tenant: Tenant = "default", json_mode: Json = False) -> None:
    """List the tenant's users."""
    data = [_shown(each) for each in run_async(_list(tenant))]
    columns = ("username", "roles", "created_at", "disabled_at", "id")
    emit(data, json_mode, rows(columns, (_cells(each, columns) for each in data)))


@app.command()
def disable(username: Username, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Shut a user out and end their sessions."""
    emit(_shown(run_async(_disable(tenant, username))), json_mode)


@app.command()
def password(username: Username, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Set a user's password and end their sessions."""
    emit(_shown(run_async(_set_password(tenant, username, read_password()))), json_mode)


@app.command()
def roles(username: Username, role: Roles, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Give a user these roles and no other, and end their sessions."""
    with misusing("--role"):
        known_roles(role)
    emit(_shown(run_async(_set_roles(tenant, username, role))), json_mode)


async def _create(slug: str, username: str, text: str, roles: Sequence[str]) -> User:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.user_administration().create(tenant_id, username, text, roles, actor=actor())


async def _list(slug: str) -> Sequence[User]:
    async with open_container() as container:
        return await container.user_administration().list(await tenant_of(container, slug))


async def _disable(slug: str, username: str) -> User:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.user_administration().disable(tenant_id, username, actor=actor())


async def _set_password(slug: str, username: str, text: str) -> User:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.user_administration().set_password(tenant_id, username, text, actor=actor())


async def _set_roles(slug: str, username: str, held: Sequence[str]) -> User:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.user_administration().set_roles(tenant_id, username, held, actor=actor())


def _shown(shown: User) -> dict[str, Any]:
    return {
        "id": shown.id,
        "username": shown.username,
        "roles": list(shown.roles),
        "created_at": shown.created_at,
        "disabled_at": shown.disabled_at,
    }


def _cells(data: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    return [" ".join(data[column]) if column == "roles" else data[column] for column in columns]
