"""`qs token`: access tokens for scripts and first steps."""

from datetime import timedelta
from typing import Annotated

import typer

from qs.application.identity.ports import AccessToken
from qs.domain.identity.scopes import grantable
from qs.domain.kernel.durations import parse_duration
from qs.interface.cli.output import Json, emit, misuse, misusing, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

app = typer.Typer(no_args_is_help=True)

_LONGEST = timedelta(days=366)


@app.callback()
def token() -> None:
    """Access tokens for scripts."""


@app.command()
def create(
    scope: Annotated[list[str], typer.Option("--scope", help="What it may do; repeat for several.")],
    tenant: Tenant = "default",
    ttl: Annotated[str, typer.Option("--ttl", help="How long it works: 30m, 1h, 7d …")] = "1h",
    json_mode: Json = False,
) -> None:
    """Make a token that works until it expires."""
    with misusing("--scope"):
        grantable(scope)
    made = run_async(_issue(tenant, scope, _length(ttl)))
    data = {
        "token": made.token,
        "expires_at": made.expires_at,
        "scopes": sorted(set(scope)),
        "tenant": tenant,
    }
    emit(data, json_mode)


async def _issue(slug: str, scopes: list[str], ttl: timedelta) -> AccessToken:
    async with open_container() as container:
        tenant_id = await tenant_of(container, slug)
        return await container.token_issuing().issue(tenant_id, scopes, ttl, actor=actor())


def _length(text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except (ValueError, OverflowError):
        length = timedelta()
    if not timedelta(seconds=1) <= length <= _LONGEST:
        misuse(f"--ttl is {text[:40]}; expected a duration such as 30m, 1h or 7d, of up to 366 days")
    return length
