"""Rounds of limit, ours and comparators in turn, and what they come to."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

# Processor time is counted in these, and less than one cannot be told from none.
_TICK_S = 0.01
_LIBRARIES = ("asyncpg", "sqlalchemy", "litestar", "uvicorn", "redis", "msgspec")


@dataclass(frozen=True, slots=True)
class Subject:
    """One way to do the work. ``run`` does a round of it and returns how many units that was, which must be ``units``.

    A round's number lets both take fresh rows; what ``prepare`` does is not timed.
    """

    run: Callable[[int], Awaitable[int]]
    units: int
    prepare: Callable[[int], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """The median of ``subject`` is at least ``least`` times ``of`` in the same round, or units a second without ``of``.

    With ``aimed_at`` it is where we want to come to, and not what must be reached.
    """

    subject: str
    least: float
    of: str | None = None
    aimed_at: bool = False


@dataclass(slots=True)
class Case:
    """One question: subjects by name, the first of which is the limit that the others are held against."""

    name: str
    unit: str
    subjects: Mapping[str, Subject]
    goals: Sequence[Goal]
    notes: dict[str, Any] = field(default_factory=dict)


class Outcome(Protocol):
    """What a case came to."""

    def lines(self) -> Sequence[str]:
        """For whoever waits for it: what was measured, and whether the goals were reached."""

    def document(self) -> Mapping[str, Any]:
        """The same as JSON."""


@dataclass(slots=True)
class Result:
    """Per subject and round: units a second, and microseconds of processor time a unit on client and servers together.

    ``loads`` are the machine's after each round, whoever caused them.
    """

    case: Case
    rates: dict[str, list[float]]
    cpu_us: dict[str, list[float]]
    loads: list[float] = field(default_factory=list)

    def ratios(self, subject: str, of: str) -> list[float]:
        """How many times as fast ``subject`` was as ``of`` in the same round."""
        return [ours / base for ours, base in zip(self.rates[subject], self.rates[of], strict=True)]

    def cpu_ratios(self, subject: str, of: str) -> list[float]:
        """How many times the processor time of ``subject`` that of ``of`` was, a unit in the same round.

        Above 1 ``subject`` is the cheaper one. Unlike a rate it does not reward working in several processes on a
        machine that is busy with other things.
        """
        return [base / ours for ours, base in zip(self.cpu_us[subject], self.cpu_us[of], strict=True)]

    def reached(self, goal: Goal) -> tuple[list[float], bool]:
        values = self.rates[goal.subject] if goal.of is None else self.ratios(goal.subject, goal.of)
        return values, statistics.median(values) >= goal.least

    def lines(self) -> list[str]:
        """Median, minimum and maximum of each subject, and whether the goals were reached."""
        shown = [f"{self.case.name} ({self.case.unit}/s)"]
        for subject, rates in self.rates.items():
            cpu = statistics.median(self.cpu_us[subject])
            shown.append(f"  {subject:<26} {spread(rates, '{:,.0f}'):<28} {cpu:8,.1f} µs of processor each")
        for goal in self.case.goals:
            values, reached = self.reached(goal)
            shape, of = ("{:,.0f}", "") if goal.of is None else ("{:.2f}", f" of {goal.of}")
            wanted = f"{'aimed at' if goal.aimed_at else 'wanted'} {shape.format(goal.least)}{of}"
            missed = "not yet" if goal.aimed_at else "MISSED"
            shown.append(
                f"  {goal.subject:<26} {spread(values, shape):<28} {wanted}: {'reached' if reached else missed}"
            )
            if goal.of is not None:
                by_cpu = spread(self.cpu_ratios(goal.subject, goal.of), "{:.2f}")
                shown.append(f"  {'':<26} {by_cpu:<28} by processor time")
        shown += [f"  {name}: {value}" for name, value in self.case.notes.items()]
        return shown

    def document(self) -> dict[str, Any]:
        limit = next(iter(self.rates))
        return {
            "case": self.case.name,
            "unit": self.case.unit,
            "units_per_s": {name: summary(values) for name, values in self.rates.items()},
            "cpu_us_per_unit": {name: summary(values) for name, values in self.cpu_us.items()},
            "limit": limit,
            "ratio_to_limit": {
                name: summary(self.ratios(name, limit)) for name in self.rates if name != limit
            },
            "cpu_ratio_to_limit": {
                name: summary(self.cpu_ratios(name, limit)) for name in self.rates if name != limit
            },
            "goals": [
                {
                    "subject": goal.subject,
                    "of": goal.of,
                    "least": goal.least,
                    "median": round(statistics.median(self.reached(goal)[0]), 3),
                    "reached": self.reached(goal)[1],
                    "aimed_at": goal.aimed_at,
                }
                for goal in self.case.goals
            ],
            "load": summary(self.loads),
            "notes": self.case.notes,
        }


async def measure(case: Case, rounds: int, cpu_seconds: Callable[[], float]) -> Result:
    """Runs all subjects once a round, in reversed order every other round, after one round that does not count.

    ``cpu_seconds`` is the processor time that everything involved has used so far.

    Raises:
        RuntimeError: a subject did another number of units than it says, so its time means nothing.
    """
    names = list(case.subjects)
    result = Result(case, {name: [] for name in names}, {name: [] for name in names})
    for number in range(rounds + 1):
        for name in names if number % 2 == 0 else names[::-1]:
            subject = case.subjects[name]
            if subject.prepare is not None:
                await subject.prepare(number)
            cpu, started = cpu_seconds(), time.perf_counter()
            done = await subject.run(number)
            seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
            if done != subject.units:
                raise RuntimeError(f"{case.name}/{name} did {done} {case.unit}, not {subject.units}")
            if number > 0:
                result.rates[name].append(done / seconds)
                result.cpu_us[name].append(max(cpu, _TICK_S) / done * 1e6)
        if number > 0:
            result.loads.append(os.getloadavg()[0])
        print(f"  {case.name}: round {number} of {rounds}", file=sys.stderr, flush=True)
    return result


def write(
    results: Sequence[Outcome], path: Path, settings: Mapping[str, Any], servers: Mapping[str, str]
) -> None:
    """Writes the results as JSON with what is needed to judge them."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load": os.getloadavg(),
        "versions": {
            "python": platform.python_version(),
            **servers,
            **{name: version(name) for name in _LIBRARIES},
        },
        "settings": dict(settings),
        "results": [result.document() for result in results],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum, as JSON."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "rounds": len(values),
    }


def spread(values: Sequence[float], shape: str) -> str:
    """Median, minimum and maximum, to be read."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{shape.format(middle)} ({shape.format(low)}-{shape.format(high)})"
