"""What the doctor looks at in the texts of tenants: whether this release can send what an earlier one took."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from qs.interface.cli.findings import Finding, found, well
from qs.settings import Settings

if TYPE_CHECKING:
    from qs.container import Container

_MOST_TOLD = 10


async def text_findings(settings: Settings) -> AsyncIterator[Finding]:
    """One finding about all tenants' own texts; none without a key or a database, which are findings of their own."""
    if settings.secret_key is None:
        return
    from qs.container import build_container, close

    container = build_container(settings)
    try:
        own, unusable = await _look(container)
    except Exception:  # noqa: BLE001 - whatever the server says is told with the database
        return
    finally:
        await close(container)
    if unusable:
        more = len(unusable) - _MOST_TOLD
        told = ", ".join(unusable[:_MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
        what = f"this release cannot send {told}; the built-in texts go out instead"
        yield found("texts.unusable", "texts", what)
    else:
        yield well("texts", f"all {own} of tenants can be sent" if own else "all are built in")


async def _look(container: "Container") -> tuple[int, list[str]]:
    own, unusable = 0, []
    for tenant in await container.account_directory().tenants():
        for each in await container.template_authoring().list(tenant.id):
            own += each.own is not None
            if each.problems:
                unusable.append(f"{each.key}/{each.locale} of {tenant.slug}")
    return own, unusable
