"""`qs secret`: what a tenant's jobs refer to as ``secret://name``. A value is never an argument and never shown."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qs.domain.scheduler.secrets import StoredSecret, check_secret
from qs.interface.cli.output import Json, emit, fail, misuse, misusing, note, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")]

# More than the longest value in bytes, so that what is too long is told so.
_MOST_BYTES = 64 * 1024


@app.callback()
def secret() -> None:
    """Secrets that jobs refer to as secret://NAME."""


@app.command("set")
def set_(
    name: Name,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Read the value from it, not from stdin.")
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Store a secret read from stdin or a file; jobs that begin from now on get it."""
    value = _value(file)
    with misusing("NAME or value"):
        check_secret(name, value)
    emit(run_async(_set(tenant, name, value)), json_mode)


@app.command("list")
def list_(tenant: Tenant = "default", json_mode: Json = False) -> None:
    """List the tenant's secrets, without their values."""
    found = run_async(_list(tenant))
    columns = ("name", "version", "created_at", "updated_at")
    emit(found, json_mode, rows(columns, ([getattr(each, column) for column in columns] for each in found)))


@app.command()
def delete(name: Name, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Delete a secret, and say which jobs still refer to it."""
    used_by = run_async(_delete(tenant, name))
    if used_by:
        note(f"still referred to by {', '.join(used_by)}; these jobs fail until it is set again")
    emit({"name": name, "used_by": used_by}, json_mode)


async def _set(slug: str, name: str, value: str) -> StoredSecret:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.secret_keeping().put(tenant_id, name, value, actor=actor())


async def _list(slug: str) -> Sequence[StoredSecret]:
    async with open_container() as container:
        return await container.secret_keeping().list(await tenant_of(container, slug))


async def _delete(slug: str, name: str) -> Sequence[str]:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.secret_keeping().remove(tenant_id, name, actor=actor())


def _value(file: Path | None) -> str:
    """The value without the line end that editors put behind it."""
    if file is None and sys.stdin.isatty():
        typed: str = typer.prompt("value", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    try:
        if file is None:
            data = sys.stdin.buffer.read(_MOST_BYTES)
        else:
            with file.open("rb") as opened:
                data = opened.read(_MOST_BYTES)
        value = data.decode()
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}); name another file, or pipe the value in")
    except UnicodeDecodeError:
        misuse("the value is no text in UTF-8; encode it, as base64 for example")
    return value.rstrip("\r\n")
