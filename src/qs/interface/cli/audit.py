"""`qs audit`: the audit log in the terminal, and whether it is what was sealed."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.interface.cli.instants import read_instant
from qs.interface.cli.output import Json, emit, misuse, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, tenant_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from qs.application.kernel.audit_reading import AuditEntry, AuditFilter, Verdict
    from qs.application.kernel.audit_sealing import Head
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

_PAGE = 1000
_HEAD = re.compile(r"(?P<tenant>[a-z0-9-]{1,63}):(?P<position>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")

Expected = Annotated[
    list[str] | None,
    typer.Option(
        "--expect", metavar="HEAD", help="A head that an earlier verification told; repeat for several."
    ),
]


@app.callback()
def audit() -> None:
    """The audit log: who did what, chained so that no change of it goes unseen."""


@app.command("list")
def list_(
    action: Annotated[str | None, typer.Option(help="Only this, such as plan.created.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this caller did.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="ID", help="Only about this.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="Written then or later …")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="… and before this.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many at most.")] = 50,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List audit records, the newest first; with --json as `GET /audit` has them."""
    from qs.application.kernel.audit_reading import AuditFilter
    from qs.interface.rest.audit.dto import AuditView

    which = AuditFilter(
        action, actor, _subject(subject), read_instant(since, "--from"), read_instant(until, "--to")
    )
    views = [AuditView.of(entry) for entry in run_async(_read(tenant, which, limit))]
    columns = ("position", "at", "actor", "action", "subject_kind", "subject_id", "detail")
    emit({"items": views}, json_mode, rows(columns, ([getattr(v, c) for c in columns] for v in views)))


@app.command()
def verify(
    expect: Expected = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant; else all of them.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Compute every hash anew; exits 1 when a record is not what was sealed.

    Keep the heads it tells somewhere else: who owns the database can rewrite a whole chain, and only an earlier head
    shows that.
    """
    heads = _heads(expect or (), tenant)
    verdicts = run_async(_verify(tenant, heads))
    items = [_told(slug, verdict) for slug, verdict in verdicts.items()]
    emit({"items": items}, json_mode, None if json_mode else _shown(items))
    if any(item["flaw"] for item in items):
        raise typer.Exit(1)


async def _read(tenant: str, which: "AuditFilter", limit: int) -> "list[AuditEntry]":
    found: list[AuditEntry] = []
    before: UUID | None = None
    async with open_container() as container:
        tenant_id = await tenant_of(container, tenant)
        while len(found) < limit:
            size = min(_PAGE, limit - len(found))
            page = await container.audit_reading().list(tenant_id, which, before=before, size=size)
            found += page.entries
            before = page.before
            if before is None:
                break
    return found


async def _verify(tenant: str | None, heads: Mapping[str, "Sequence[Head]"]) -> "dict[str, Verdict]":
    async with open_container() as container:
        slugs = [tenant] if tenant else await _all(container)
        return {
            slug: await container.audit_reading().verify(
                await tenant_of(container, slug), heads.get(slug, ())
            )
            # A tenant that an expected head names and that is gone is not passed over.
            for slug in dict.fromkeys([*slugs, *heads])
        }


async def _all(container: "Container") -> list[str]:
    return ["platform", *(each.slug for each in await container.tenant_administration().list())]


def _heads(texts: Sequence[str], tenant: str | None) -> "dict[str, list[Head]]":
    from qs.application.kernel.audit_sealing import Head

    heads: dict[str, list[Head]] = {}
    for text in texts:
        read = _HEAD.fullmatch(text)
        if read is None:
            misuse(
                f"--expect {text[:60]} is no head; copy one from `qs audit verify`, as TENANT:POSITION:HASH"
            )
        if tenant not in (None, read["tenant"]):
            misuse(f"--expect {text[:60]} is not of the tenant {tenant}")
        heads.setdefault(read["tenant"], []).append(Head(int(read["position"]), bytes.fromhex(read["hash"])))
    return heads


def _told(slug: str, verdict: "Verdict") -> dict[str, Any]:
    head, flaw = verdict.head, verdict.flaw
    return {
        "tenant": slug,
        "records": verdict.records,
        "unsealed": verdict.unsealed,
        "head": head and f"{slug}:{head.position}:{head.hash.hex()}",
        "flaw": flaw and {"position": flaw.position, "record_id": flaw.record_id, "why": flaw.why},
    }


def _shown(items: Sequence[Mapping[str, Any]]) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    table = rows(
        ("tenant", "records", "unsealed", "verdict"),
        [(each["tenant"], each["records"], each["unsealed"], _sentence(each["flaw"])) for each in items],
    )
    # A head is there to be copied, so it stays on one line.
    heads = [Text(each["head"], no_wrap=True, overflow="ignore") for each in items if each["head"]]
    return Group(table, *heads)


def _sentence(flaw: dict[str, Any] | None) -> str:
    if flaw is None:
        return "as sealed"
    where = "record" if flaw["position"] is None else f"position {flaw['position']}"
    return f"{where} {flaw['record_id'] or ''}".strip() + f": {flaw['why']}"


def _subject(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        misuse(f"--subject {text[:60]} is no id; copy one from `qs audit list`")
