"""How much memory one sweep takes: `python -m bench.memory TENANT` sweeps that tenant, then all, and says so.

The sweep runs in a process of its own. A first sweep of a small tenant brings in what every sweep needs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import uvloop

from bench import seeding
from bench.harness import spread, summary
from bench.processes import told
from bench.world import World
from qs.application.plan.sweep_report import SweepReport
from qs.container import build_container, close
from qs.settings import load_settings

_MOST_MIB = 20.0
_WARM_UP = 20_000
_PARTS = 10
_SELF = Path("/proc/self")


class Swept(msgspec.Struct):
    """MiB the process had resident: ``fresh`` before the first sweep, ``start`` before the one that counts.

    ``parts`` are those at every tenth of the sweep.
    """

    tasks: int
    seconds: float
    fresh: float
    start: float
    peak: float
    end: float
    parts: list[float]

    @property
    def growth(self) -> float:
        return self.peak - self.start


@dataclass(slots=True)
class Growth:
    """What each round's process had resident; the goal is held against the worst of them."""

    tasks: int
    rounds: Sequence[Swept]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        return max(round_.growth for round_ in self.rounds)

    def lines(self) -> list[str]:
        growths = [round_.growth for round_ in self.rounds]
        reached = "reached" if self.worst <= _MOST_MIB else "MISSED"
        shown = [f"memory (MiB, one sweep of {self.tasks:,} tasks)"]
        shown += [
            f"  {each.fresh:.1f} fresh, {each.start:.1f} at the start, {each.peak:.1f} at most, {each.end:.1f} at the end,"
            f" in {each.seconds:.0f} s"
            for each in self.rounds
        ]
        wanted = f"wanted at most {_MOST_MIB:.0f}, also at worst: {reached}"
        return [*shown, f"  {'growth':<26} {spread(growths, '{:.1f}'):<28} {wanted}"]

    def document(self) -> dict[str, Any]:
        return {
            "case": "memory",
            "unit": "MiB",
            "tasks": self.tasks,
            "growth_mib": summary([round_.growth for round_ in self.rounds]),
            "tasks_per_s": summary([round_.tasks / round_.seconds for round_ in self.rounds]),
            "goals": [
                {
                    "subject": "growth",
                    "most": _MOST_MIB,
                    "worst": round(self.worst, 3),
                    "reached": self.worst <= _MOST_MIB,
                }
            ],
            "rounds": [msgspec.to_builtins(round_) for round_ in self.rounds],
            "notes": dict(self.notes),
        }


async def growth(world: World, rounds: int, due: int) -> Growth:
    """Sweeps ``due`` tasks in one call, each round on the table as it was seeded.

    Raises:
        RuntimeError: a sweep opened another number of tasks, so what it took means nothing.
    """
    warm_up = await seeding.tenant(world.admin, "warm-up")
    await seeding.tasks(world.admin, warm_up, _WARM_UP, 0)
    await seeding.tasks(world.admin, await seeding.tenant(world.admin, "measured"), due, 0)
    await world.keep()
    environment = {**world.environment(), "QS_SWEEP__MAX_SECONDS": "3600"}
    measured = []
    for number in range(1, rounds + 1):
        if number > 1:
            await world.restore()
        swept = msgspec.json.decode(await told("bench.memory", environment, str(warm_up)), type=Swept)
        if swept.tasks != due:
            raise RuntimeError(f"memory: a sweep opened {swept.tasks} tasks, not {due}")
        measured.append(swept)
        print(f"  memory: round {number} of {rounds}", file=sys.stderr, flush=True)
    return Growth(due, measured, {"opened by the sweep before": _WARM_UP})


async def sweep(warm_up: UUID) -> Swept:
    """Sweeps ``warm_up``, then every tenant in one call."""
    container = build_container(load_settings(None, os.environ))
    try:
        scheduling = container.task_scheduling()
        fresh = _resident()
        await scheduling.sweep(warm_up)
        seen: list[float] = []

        def look(report: SweepReport) -> None:
            seen.append(_resident())

        _forget_peak()
        start = _resident()
        report = await scheduling.sweep(None, on_progress=look)
        peak, end = max(_resident("VmHWM"), *seen), _resident()
    finally:
        await close(container)
    parts = [seen[len(seen) * part // _PARTS - 1] for part in range(1, _PARTS + 1)]
    return Swept(report.opened, report.duration_ms / 1000, fresh, start, peak, end, parts)


def _forget_peak() -> None:
    """The kernel's peak starts anew (proc(5), clear_refs); where it may not, an earlier one counts too."""
    with suppress(OSError):
        (_SELF / "clear_refs").write_text("5", encoding="ascii")


def _resident(name: str = "VmRSS") -> float:
    for line in (_SELF / "status").read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return round(int(value.split()[0]) / 1024, 1)
    raise LookupError(name)


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(uvloop.run(sweep(UUID(sys.argv[1])))).decode())
