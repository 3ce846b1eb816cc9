"""`qs task`: tasks from the terminal."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.application.plan.ports import Slice, TaskFilter
from qs.domain.plan.entry import Entry
from qs.domain.plan.task import AssessmentTask
from qs.interface.cli.output import Json, emit, misuse, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, read_id, tenant_of
from qs.interface.rest.plan.references import testee_named
from qs.interface.rest.plan.task_dto import ExplanationView, OpenedTaskView, TaskView, task_views

if TYPE_CHECKING:
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID")]
WithLink = Annotated[bool, typer.Option("--with-link", help="Show the link, which is a credential; audited.")]
_STATUSES = ("pending", "opened", "completed", "expired", "canceled")


@app.callback()
def task() -> None:
    """Tasks: the occasions of enrollments."""


@app.command("list")
def list_(
    plan: Annotated[str | None, typer.Option(metavar="ID", help="Only of this plan.")] = None,
    testee: Annotated[
        str | None, typer.Option(metavar="TESTEE", help="An id, or ext: and an external id.")
    ] = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(_STATUSES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List tasks in the order they are planned."""
    if status is not None and status not in _STATUSES:
        misuse(f"--status must be one of {', '.join(_STATUSES)}")
    where = TaskFilter(plan_id=read_id(plan, "plan") if plan else None, status=status)

    async def work() -> Any:
        async with open_container() as container:
            return await container.plan_reading().tasks(
                await tenant_of(container, tenant),
                where,
                Slice(None, limit),
                testee=testee_named(testee) if testee else None,
            )

    views = task_views(run_async(work()))
    table = rows(
        ("id", "seq", "planned", "status", "reason"),
        [(v.id, v.seq, v.planned_at, v.status, v.reason) for v in views],
    )
    emit({"items": views}, json_mode, table)


@app.command()
def show(task_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show one task."""
    wanted = read_id(task_id, "task")
    found = _run(tenant, lambda container, tenant_id: container.plan_reading().task(tenant_id, wanted))
    emit(TaskView.of(found), json_mode)


@app.command()
def explain(task_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Say why a task is in its state, and what happens next."""
    wanted = read_id(task_id, "task")
    told = _run(tenant, lambda container, tenant_id: container.plan_reading().explain(tenant_id, wanted))
    view = ExplanationView.of(told)
    lines: list[tuple[Any, ...]] = [(f.at, f.fact, f.actor, f.reason) for f in view.facts]
    lines += [(n.at or "open end", n.what, "next", None) for n in view.next]
    emit(view, json_mode, rows(("when", "what", "who", "why"), lines, title=f"{view.status}"))


@app.command("open")
def open_(
    task_id: Id, with_link: WithLink = False, tenant: Tenant = "default", json_mode: Json = False
) -> None:
    """Open a due task without waiting for the sweep."""
    wanted = read_id(task_id, "task")
    done: tuple[AssessmentTask, Entry] = _run(
        tenant, lambda container, tenant_id: container.task_operating().open(tenant_id, wanted, actor=actor())
    )
    emit(OpenedTaskView.shown_to(done[0], done[1] if with_link else None), json_mode)


@app.command()
def expire(task_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Expire an opened task now."""
    wanted = read_id(task_id, "task")
    done = _run(
        tenant,
        lambda container, tenant_id: container.task_operating().expire(tenant_id, wanted, actor=actor()),
    )
    emit(TaskView.of(done), json_mode)


@app.command()
def reissue(
    task_id: Id, with_link: WithLink = False, tenant: Tenant = "default", json_mode: Json = False
) -> None:
    """Give an opened task a new link; the old one is dead from then on."""
    wanted = read_id(task_id, "task")
    done: tuple[AssessmentTask, Entry] = _run(
        tenant,
        lambda container, tenant_id: container.task_operating().reissue(tenant_id, wanted, actor=actor()),
    )
    emit(OpenedTaskView.shown_to(done[0], done[1] if with_link else None), json_mode)


def _run(tenant: str, question: Callable[["Container", UUID], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with open_container() as container:
            return await question(container, await tenant_of(container, tenant))

    return run_async(work())
