"""`qs scheduler`: timed firing, and how it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from qs.application.scheduler.nodes import Lag, Node, Queues, held_by
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.kernel.zones import zone
from qs.interface.cli.job_asking import ask, default_zone
from qs.interface.cli.job_syncing import problems_of, sync_sources, synced_data, synced_table
from qs.interface.cli.job_tables import clock_text
from qs.interface.cli.output import Json, emit, note, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

OneTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant's clock; else everybody's.")
]
_NEEDED = {"ticker": "nothing is fired", "executions": "nothing that was fired is run"}


@dataclass(frozen=True, slots=True)
class _Standing:
    stopped: str | None
    lag: Lag
    nodes: Sequence[Node]
    queues: Queues
    jobs: Mapping[str, int]
    tz: ZoneInfo

    @property
    def lag_s(self) -> float:
        return self.lag.seconds(firing=self.stopped is None)

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.is_alive]

    def count(self, what: str) -> int:
        """Executions of the tenant that are ``waiting``, ``running`` or ``retrying``."""
        return sum(getattr(state, what) for state in self.queues.states)


@app.callback()
def scheduler() -> None:
    """Timed firing of jobs. What is stopped stays so until it is started, whatever is restarted meanwhile."""


@app.command()
def start(tenant: OneTenant = None, json_mode: Json = False) -> None:
    """Start timed firing; what would have been due meanwhile was not missed."""
    _turn(True, tenant, json_mode)


@app.command()
def stop(tenant: OneTenant = None, json_mode: Json = False) -> None:
    """Stop timed firing; what runs goes on, and jobs can still be run by hand."""
    _turn(False, tenant, json_mode)


@app.command()
def status(tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show whether time fires anything, how far behind it is, who works, and what waits."""

    async def question(container: "Container", tenant_id: UUID) -> _Standing:
        nodes, reading = container.node_reading(), container.job_reading()
        return _Standing(
            await reading.stopped(tenant_id),
            await nodes.lag(tenant_id),
            await nodes.nodes(),
            await nodes.queues(tenant_id),
            await reading.total(tenant_id),
            zone(default_zone(container)),
        )

    standing = ask(tenant, question)
    emit(_data(standing), json_mode, _table(standing, tenant))
    alive = {node.role for node in standing.alive}
    for role, therefore in _NEEDED.items():
        if role not in alive:
            note(
                f"no worker of the role {role} is alive, so {therefore}; `qs worker --roles {role}` starts one"
            )


@app.command()
def sync(json_mode: Json = False) -> None:
    """Read what declares jobs (settings file, jobs file, table sys_crontab, code) and apply it at once.

    Exit 1 when a job or a file cannot be used as it is written.
    """

    async def work() -> Any:
        async with open_container() as container:
            return await sync_sources(container)

    synced = run_async(work())
    emit(synced_data(synced), json_mode, synced_table(synced))
    problems = problems_of(synced)
    for problem in problems:
        note(problem)
    if problems:
        raise typer.Exit(1)


def _turn(firing: bool, slug: str | None, json_mode: bool) -> None:
    async def work() -> tuple[bool, str | None]:
        async with open_container() as container:
            tenant_id = PLATFORM_TENANT if slug is None else await tenant_of(container, slug)
            changed = await container.job_switching().turn(tenant_id, firing, actor=actor())
            return changed, await container.job_reading().stopped(tenant_id)

    changed, stopped = run_async(work())
    if not changed:
        note(f"it was {'started' if firing else 'stopped'} already")
    if firing and stopped:
        note("everybody's clock is stopped, so this one does not fire yet; `qs scheduler start` starts it")
    data = {"firing": stopped is None, "stopped": stopped, "changed": changed, "tenant": slug}
    emit(data, json_mode, None if json_mode else _lines(data))


def _data(standing: _Standing) -> dict[str, Any]:
    alive = standing.alive
    return {
        "firing": standing.stopped is None,
        "stopped": standing.stopped,
        "lag_s": standing.lag_s,
        "nodes": {
            "alive": len(alive),
            "draining": sum(node.draining for node in alive),
            "held": held_by(alive),
        },
        "jobs": standing.jobs,
        "executions": {what: standing.count(what) for what in ("waiting", "running", "retrying")},
        "roles": [
            {
                "id": node.id,
                "role": node.role,
                "host": node.host,
                "started_at": node.started_at.astimezone(UTC),
                "seen_at": node.seen_at.astimezone(UTC),
                "alive": node.is_alive,
                "draining": node.draining,
                "clock_offset_ms": node.clock_offset_ms,
                "held": node.held,
            }
            for node in standing.nodes
        ],
    }


def _table(standing: _Standing, tenant: str) -> "RenderableType":
    from rich.console import Group

    jobs = standing.jobs
    clock = {None: "fires", "tenant": f"stopped for {tenant}", "installation": "stopped for everybody"}
    facts = [
        ("clock", clock[standing.stopped]),
        ("behind by", f"{standing.lag_s:.1f} s"),
        ("jobs", f"{jobs['total']}, {jobs['enabled']} enabled, {jobs['config_error']} with a config error"),
        (
            "executions",
            ", ".join(f"{standing.count(what)} {what}" for what in ("waiting", "running", "retrying")),
        ),
    ]
    nodes = rows(
        ("role", "host", "seen", "state"),
        [
            (node.role, node.host, clock_text(node.seen_at, standing.tz), _state(node))
            for node in standing.nodes
        ],
    )
    table = rows(("", ""), facts)
    table.show_header = False
    return Group(table, nodes)


def _state(node: Node) -> str:
    if not node.is_alive:
        return "gone"
    told = f"{'drains' if node.draining else 'works'}, holds {node.held}"
    return told if not node.clock_offset_ms else f"{told}, clock {node.clock_offset_ms:+} ms"


def _lines(data: Mapping[str, Any]) -> "RenderableType":
    whose = "everybody" if data["tenant"] is None else data["tenant"]
    told = "fires" if data["firing"] else "is stopped"
    return rows(("clock", ""), [(whose, told)])
