"""Keeps jobs that are written down elsewhere, in a file, in the code or in a table, as they stand there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from qs.application.scheduler.authoring import Change, JobAuthoring
from qs.application.scheduler.builtins import Builtin, CodeSchedule
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.duty import taken_by_duty
from qs.domain.scheduler.job import JobDefinition, JobSource, Target
from qs.domain.scheduler.policies import Policies, Retry
from qs.domain.scheduler.triggers import TriggerKind, TriggerSpec

_log = structlog.get_logger()

SYNC_ACTOR = "clock:sources"


@dataclass(frozen=True, slots=True)
class Desired:
    """A job as its source has it; ``problem`` is why it cannot be read, and makes it a job with a config error."""

    definition: JobDefinition
    problem: Invalid | None = None


class DesiredJobs(Protocol):
    """Where jobs are written down. A source that cannot be read keeps what it had."""

    source: JobSource
    owner: str | None

    async def look(self) -> Sequence[Desired] | None:
        """The whole set if it may have changed since the last look; None if it did not, or cannot be read now."""
        ...

    def poke(self) -> None:
        """The next look answers in any case."""
        ...


@dataclass(frozen=True, slots=True)
class Synced:
    """What became of the jobs of one source."""

    source: JobSource
    owner: str | None
    changes: Sequence[Change] = field(default_factory=tuple)


class CodeJobs:
    """The builtins that carry a schedule; they never change while a process lives."""

    source = JobSource.CODE
    owner: str | None = None

    def __init__(self, builtins: Callable[[], Mapping[str, Builtin]], retry: Retry) -> None:
        self._builtins = builtins
        self._retry = retry
        self._told = False

    async def look(self) -> Sequence[Desired] | None:
        if self._told:
            return None
        self._told = True
        return [
            self._desired(builtin.name, builtin.schedule)
            for builtin in self._builtins().values()
            if builtin.schedule is not None
        ]

    def _desired(self, name: str, schedule: CodeSchedule) -> Desired:
        definition = JobDefinition(
            name=name,
            trigger=TriggerSpec(type=TriggerKind.CRON, schedule=schedule.cron, timezone=schedule.timezone),
            target=Target(kind="builtin", spec={"name": name}),
            policies=Policies(retry=self._retry),
        )
        taken = taken_by_duty(name)
        return Desired(definition, None if taken is None else Invalid([Problem("/name", taken)]))

    def poke(self) -> None:
        self._told = False


class JobSources:
    """Run by every clock process; they all bring the same rows to the same state, and one after the other."""

    def __init__(self, authoring: JobAuthoring, sources: Sequence[DesiredJobs]) -> None:
        """``sources`` in the order of their claim to a name: what an earlier one declares, a later one does not."""
        self._authoring = authoring
        self._sources = tuple(sources)
        self._sets: dict[int, Sequence[Desired]] = {}

    async def look(self) -> list[Synced]:
        """Applies the sets of the sources that changed; nothing is done when none did."""
        looked = {number: await source.look() for number, source in enumerate(self._sources)}
        changed = {number: found for number, found in looked.items() if found is not None}
        if not changed:
            return []
        sets = self._sets | changed
        synced = await self._apply(sets)
        # Only now: what could not be applied is tried again at the next look.
        self._sets = sets
        return synced

    async def sync_now(self) -> list[Synced]:
        """Reads all sources and applies them, whether they changed or not."""
        self.poke()
        return await self.look()

    def poke(self) -> None:
        """The next look reads everything anew."""
        for source in self._sources:
            source.poke()

    async def _apply(self, sets: Mapping[int, Sequence[Desired]]) -> list[Synced]:
        claimed: set[str] = set()
        wanted: dict[int, list[Desired]] = {}
        for number in sorted(sets):
            wanted[number] = [each for each in sets[number] if each.definition.name not in claimed]
            claimed |= {each.definition.name for each in wanted[number]}
        done = []
        # The last first: it lets go of the names that an earlier one claims.
        for number in sorted(wanted, reverse=True):
            source = self._sources[number]
            changes = await self._authoring.apply(
                DEFAULT_TENANT,
                [each.definition for each in wanted[number]],
                source=source.source,
                owner=source.owner,
                actor=SYNC_ACTOR,
                prune=True,
                tolerant=True,
                problems={each.definition.name: each.problem for each in wanted[number] if each.problem},
            )
            done.append(Synced(source.source, source.owner, changes))
            for change in changes:
                if change.problem is not None:
                    _log.warning(
                        "job_not_usable", source=source.source.value, job=change.name, problem=change.problem
                    )
        return done
