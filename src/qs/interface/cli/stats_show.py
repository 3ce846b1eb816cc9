"""`qs stats show`: figures as tables."""

from typing import Annotated, Any

import typer

from qs.domain.statistics.metrics import Dimension
from qs.interface.cli.output import Json, emit, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.stats_subjects import About, check, subject_of
from qs.interface.cli.stats_tables import figures_tables, plan_tables
from qs.interface.cli.tenancy import Tenant, tenant_of
from qs.interface.rest.statistics.dto import figures_view, plan_view


def show(
    about: Annotated[About, typer.Argument(help="Whose figures.")] = About.SYSTEM,
    name: Annotated[
        str | None,
        typer.Argument(metavar="CODE|ID", help="Which one; of a testee the id, or ext: and the external id."),
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show totals, windows and rates; of a plan its occasions, retention and latency as well."""
    check(about, name)

    async def work() -> tuple[Any, Any]:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            subject = await subject_of(container, tenant_id, about, name)
            reading = container.statistics_reading()
            if subject.dimension is Dimension.PLAN:
                plan = await reading.plan(tenant_id, subject.plan_id)
                return plan_view(plan), plan_tables(subject.title, plan)
            figures = await reading.figures(tenant_id, subject.dimension, subject.key)
            return figures_view(figures), figures_tables(subject.title, figures)

    view, tables = run_async(work())
    emit(view, json_mode, tables)
