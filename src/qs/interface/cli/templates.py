"""`qs templates`: what messages say, in the terminal.

A file holds the subject in its first line, an empty line, and the body; the body alone where a text has no subject.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.interface.cli.output import Json, emit, misuse, note, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, read_id, tenant_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qs.container import Container
    from qs.domain.notification.texts import Text

app = typer.Typer(no_args_is_help=True)

Key = Annotated[str, typer.Argument(metavar="KEY", help="Such as task_opened; list shows all.")]
Locale = Annotated[str, typer.Argument(metavar="LOCALE", help="zh or en.")]
_FILE = typer.Option(
    "--file", metavar="FILE", help="The subject in its first line, an empty line, the body; - is stdin."
)


@app.callback()
def templates() -> None:
    """What messages say: built in, or in a tenant's own words."""


@app.command("list")
def list_(tenant: Tenant = "default", json_mode: Json = False) -> None:
    """List all texts by key and language."""
    from qs.interface.rest.notifications.template_dto import TemplateView

    found = _run(tenant, lambda c, tenant_id: c.template_authoring().list(tenant_id))
    views = [TemplateView.of(each) for each in found]
    table = rows(
        ("key", "locale", "version", "subject", "saved", "by", "problems"),
        [
            (
                v.key,
                v.locale,
                v.version or "built in",
                v.subject,
                v.saved_at,
                v.saved_by,
                len(v.problems) or None,
            )
            for v in views
        ],
    )
    emit({"items": views}, json_mode, table)


@app.command()
def show(key: Key, locale: Locale, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show a text, its variables, and what was saved of it last."""
    from qs.interface.rest.notifications.template_dto import TemplateView, VersionView

    async def both(container: "Container", tenant_id: UUID) -> Any:
        authoring = container.template_authoring()
        return (
            await authoring.get(tenant_id, key, locale),
            await authoring.versions(tenant_id, key, locale),
        )

    template, saved = _run(tenant, both)
    view, versions = TemplateView.of(template), [VersionView.of(each) for each in saved]
    if json_mode:
        emit({"template": view, "versions": versions}, json_mode)
        return
    for problem in view.problems:
        note(f"the built-in text is sent instead: {problem.pointer} {problem.detail}")
    typer.echo(f"{view.purpose}; {f'version {view.version}' if view.version else 'built in'}\n")
    _print_text(view.subject, view.body)
    emit(
        view.variables,
        json_mode,
        rows(
            ("variable", "what it is", "required", "in subject"),
            [
                (
                    f"{{{v.name}}}",
                    v.description,
                    "yes" if v.required else None,
                    "yes" if v.in_subject else None,
                )
                for v in view.variables
            ],
        ),
    )
    if versions:
        columns = ("version", "saved", "by", "active")
        cells = [(v.version, v.saved_at, v.saved_by, "yes" if v.active else None) for v in versions]
        emit(versions, json_mode, rows(columns, cells))


@app.command("set")
def set_(
    key: Key,
    locale: Locale,
    file: Annotated[Path, _FILE],
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Save a text from a file as a new version, which is sent from now on."""
    from qs.interface.rest.notifications.template_dto import SavedTemplateView

    text = _read(file, key, locale)
    done = _run(
        tenant,
        lambda c, tenant_id: c.template_authoring().save(tenant_id, key, locale, text, actor=actor()),
    )
    view = SavedTemplateView.of_saved(done)
    _warn_of(view.scales_named)
    emit(view if json_mode else {"key": key, "locale": locale, "version": view.version}, json_mode)


@app.command()
def preview(
    key: Key,
    locale: Locale,
    file: Annotated[Path | None, _FILE] = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="A task to show it with.")] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show what a message says, or would say by a file; nothing is kept."""
    from qs.application.notification.template_previewing import Draft
    from qs.interface.rest.notifications.template_dto import PreviewView

    text = None if file is None else _read(file, key, locale)
    draft = Draft() if text is None else Draft(text.subject, text.body)
    task_id = read_id(task, "task") if task else None
    shown = _run(
        tenant, lambda c, tenant_id: c.template_previewing().preview(tenant_id, key, locale, draft, task_id)
    )
    _warn_of(shown.scales)
    if json_mode:
        emit(PreviewView.of(shown), json_mode)
    else:
        _print_text(shown.subject, shown.body)


@app.command()
def activate(
    key: Key,
    locale: Locale,
    version: Annotated[int, typer.Argument(min=1, max=2_147_483_647, metavar="VERSION")],
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Go back to an earlier version of a text."""
    done = _run(
        tenant,
        lambda c, tenant_id: c.template_authoring().activate(tenant_id, key, locale, version, actor=actor()),
    )
    emit({"key": key, "locale": locale, "version": done.version}, json_mode)


@app.command()
def reset(key: Key, locale: Locale, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Go back to the built-in text; what was saved stays."""
    done = _run(
        tenant, lambda c, tenant_id: c.template_authoring().reset(tenant_id, key, locale, actor=actor())
    )
    emit({"key": key, "locale": locale, "version": done.version}, json_mode)


def _read(file: Path, key: str, locale: str) -> "Text":
    """What the file says; a fault in it ends the verb with 1, a file that cannot be read with 2."""
    from qs.domain.notification.templates import kind_of
    from qs.domain.notification.texts import Text
    from qs.interface.cli.files import read_bytes
    from qs.interface.cli.output import failing_plainly

    with failing_plainly():
        kind = kind_of(key, locale)
    try:
        content = read_bytes(file).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        misuse(f"{file} is no text in UTF-8; save it so")
    if not kind.has_subject:
        return Text("", content)
    subject, _, body = content.partition("\n")
    return Text(subject, body.removeprefix("\n"))


def _print_text(subject: str, body: str) -> None:
    if subject:
        typer.echo(f"{subject}\n")
    typer.echo(body)


def _warn_of(scales: "Sequence[str]") -> None:
    if scales:
        note(f"it names {', '.join(scales)}: a neutral text names no scale, for others may read it too")


def _run(tenant: str, question: Callable[["Container", UUID], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with open_container() as container:
            return await question(container, await tenant_of(container, tenant))

    return run_async(work())
