"""How throughput grows with the number of processes, and which processor time each unit of work costs whom.

All processes, the servers and the load share the cores of one machine, so two processes are at most as fast as these
cores let them be: that bound stands beside each figure.
"""

import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import psutil

from bench.cpu import used
from bench.harness import spread, summary
from bench.world import World

_READS_GROW = 1.7
GENERATOR = "load"


@dataclass(frozen=True, slots=True)
class Crew:
    """So many processes that are ready to do the work; ``processes`` are their ids by what they are.

    What ``prepare`` does is not timed; ``run`` says how many units were done.
    """

    processes: Mapping[str, Sequence[int]]
    prepare: Callable[[], Awaitable[None]]
    run: Callable[[], Awaitable[int]]


class Work(Protocol):
    """One kind of work, ``units`` of it in a round; ``by`` says which processes there are more and more of."""

    name: str
    by: str
    unit: str
    units: int

    def crew(self, count: int) -> AbstractAsyncContextManager[Crew]: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: seconds by the clock, and of processor time by whose it was."""

    units: int
    seconds: float
    cpu: Mapping[str, float]

    @property
    def rate(self) -> float:
        return self.units / self.seconds

    @property
    def cores(self) -> float:
        """How many cores all of them kept busy between them."""
        return sum(self.cpu.values()) / self.seconds

    @property
    def bound(self) -> float:
        """Units a second if every core did nothing else and none of them ever waited."""
        return self.rate * (os.cpu_count() or 1) / self.cores


@dataclass(slots=True)
class Growth:
    """Samples of one kind of work by the number of processes; those at the same place are of the same round."""

    name: str
    by: str
    unit: str
    samples: dict[int, list[Sample]]

    def ratios(self, count: int) -> list[float]:
        """How many times as fast so many were as the fewest in the same round."""
        least = self.samples[min(self.samples)]
        return [more.rate / one.rate for more, one in zip(self.samples[count], least, strict=True)]

    def bounds(self, count: int) -> list[float]:
        """How many times as fast they could have been with the processor time that they took, and one core each."""
        fewest = min(self.samples)
        pairs = zip(self.samples[count], self.samples[fewest], strict=True)
        return [min(count / fewest, more.bound / one.rate) for more, one in pairs]

    def filled(self, count: int) -> float:
        """How many times as fast so many can be where the fewest keep a core each busy; by processor time alone.

        Unlike ``bounds`` it does not depend on how much of the machine others took meanwhile.
        """
        fewest = min(self.samples)
        own, everybody = self.cpu_us(fewest)[self.by], sum(self.cpu_us(count).values())
        return min(count, (os.cpu_count() or 1) * own / everybody) / fewest

    def cpu_us(self, count: int) -> dict[str, float]:
        """Microseconds of processor time a unit, by whose it was; medians."""
        samples = self.samples[count]
        return {
            part: round(statistics.median(each.cpu[part] / each.units * 1e6 for each in samples), 1)
            for part in samples[0].cpu
        }

    def lines(self) -> list[str]:
        shown = [f"scale, {self.name} ({self.unit}/s)"]
        for count, samples in self.samples.items():
            rates = spread([each.rate for each in samples], "{:,.0f}")
            times = spread(self.ratios(count), "{:.2f}")
            shown.append(
                f"  {f'{count} {self.by}':<26} {rates:<28} {times:<20} times; at most {self._bound(count):.2f} here"
            )
            cpu = ", ".join(f"{part} {us:,.0f}" for part, us in self.cpu_us(count).items())
            shown.append(
                f"  {'':<26} µs of processor each: {cpu}; {self.cores(count):.1f} cores were kept busy"
            )
        return shown

    def document(self) -> dict[str, Any]:
        return {
            "work": self.name,
            "unit": self.unit,
            "by": self.by,
            "processes": {
                str(count): {
                    "units_per_s": summary([each.rate for each in samples]),
                    "ratio_to_fewest": summary(self.ratios(count)),
                    "bound_of_the_cores": summary(self.bounds(count)),
                    "cpu_us_per_unit": self.cpu_us(count),
                    "cores_busy": round(self.cores(count), 2),
                }
                for count, samples in self.samples.items()
            },
        }

    def _bound(self, count: int) -> float:
        return statistics.median(self.bounds(count))

    def cores(self, count: int) -> float:
        """How many cores everybody who took part kept busy; the median."""
        return statistics.median(each.cores for each in self.samples[count])


@dataclass(slots=True)
class Scaling:
    """Every kind of work, and whether reads grew as they should from one process to two."""

    growths: Sequence[Growth]
    loads: Sequence[float]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def goals(self) -> list[dict[str, Any]]:
        found = []
        for growth in self.growths:
            if growth.name == "reads" and growth.samples.keys() >= {1, 2}:
                ratio, bound = (statistics.median(each(2)) for each in (growth.ratios, growth.bounds))
                goal = {"subject": "reads", "processes": 2, "of": 1, "least": _READS_GROW}
                shown = {
                    "median": round(ratio, 3),
                    "bound": round(bound, 3),
                    "bound_where_one_fills_a_core": round(growth.filled(2), 3),
                    "cores_busy": round(growth.cores(2), 2),
                }
                found.append(goal | shown | {"reached": ratio >= _READS_GROW})
        return found

    def lines(self) -> list[str]:
        shown = [line for growth in self.growths for line in growth.lines()]
        for goal in self.goals():
            missed = (
                f"MISSED; {goal['bound']:.2f} at most here, {goal['bound_where_one_fills_a_core']:.2f} where one fills"
                f" a core; {goal['cores_busy']:.1f} cores were kept busy"
            )
            reached = "reached" if goal["reached"] else missed
            shown.append(f"  reads, 2 of 1: {goal['median']:.2f}; wanted {goal['least']}: {reached}")
        return [*shown, *(f"  {name}: {each}" for name, each in self.notes.items())]

    def document(self) -> dict[str, Any]:
        return {
            "case": "scale",
            "works": [growth.document() for growth in self.growths],
            "goals": self.goals(),
            "load": summary(self.loads),
            "notes": dict(self.notes),
        }


async def growth_of(
    world: World, work: Work, counts: Sequence[int], rounds: int, loads: list[float]
) -> Growth:
    """Measures each number of processes once a round, in reversed order every other round, each started for its turn.

    What a crew does first does not count. ``loads`` takes in the machine's after each round.

    Raises:
        RuntimeError: another number of units was done, so the time means nothing.
    """
    growth = Growth(work.name, work.by, work.unit, {count: [] for count in sorted(counts)})
    for number in range(rounds):
        for count in sorted(counts, reverse=bool(number % 2)):
            async with work.crew(count) as crew:
                for warms_up in (True, False):
                    await crew.prepare()
                    sample = await _sample(world, crew)
                    if sample.units != work.units:
                        raise RuntimeError(
                            f"scale, {work.name}: {sample.units} {work.unit} were done, not {work.units}"
                        )
                    if not warms_up:
                        growth.samples[count].append(sample)
        loads.append(os.getloadavg()[0])
        print(f"  scale, {work.name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return growth


async def _sample(world: World, crew: Crew) -> Sample:
    before, began = _by_part(world, crew), time.perf_counter()
    units = await crew.run()
    seconds, after = time.perf_counter() - began, _by_part(world, crew)
    return Sample(units, seconds, {part: after[part] - before[part] for part in after})


def _by_part(world: World, crew: Crew) -> dict[str, float]:
    """Seconds used so far; this process makes the load, and what it has started is told apart."""
    own = psutil.Process().cpu_times()
    parts = {name: sum(used(psutil.Process(pid)) for pid in pids) for name, pids in crew.processes.items()}
    parts |= {server.name(): used(server) for server in world.cpu.servers}
    return parts | {GENERATOR: own.user + own.system}
