"""Taking many testees into a plan, with an answer for every row."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from qs.application.plan.finding import found_plan
from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.row_reading import EnrollmentRow, read_row
from qs.domain.kernel.errors import Invalid, Problem, QsError
from qs.domain.kernel.ids import IdGenerator
from qs.domain.kernel.quotas import Quota, QuotaReached
from qs.domain.plan.enrollment import Enrollment, Newcomer, enroll
from qs.domain.plan.errors import ExternalIdTaken, TesteeAbsent
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.rounds import enrollment_meant
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.testee import Testee

MAX_ROWS = 10_000
_CHUNK = 1000
_TRIES = 3
_ROWS_PER_BREATH = 200

T = TypeVar("T")


class TooManyRows(Invalid):
    code = "bulk.too_many_rows"
    sentence = f"more than {MAX_ROWS} rows came at once, so none was read; send them in parts"

    def __init__(self) -> None:
        super().__init__([Problem("/rows", f"must be at most {MAX_ROWS}")])


class NoRows(Invalid):
    code = "bulk.no_rows"
    sentence = "there is no row to enroll; send at least one"

    def __init__(self) -> None:
        super().__init__([Problem("/rows", "must be at least one")])


@dataclass(slots=True)
class RowResult:
    """What became of one row (counted from 1): created, existing, failed, or not_written because another failed.

    A dry run says what would become of it, and names no id of what it did not create.
    """

    row: int
    result: str
    testee_id: UUID | None = None
    enrollment_id: UUID | None = None
    error: str | None = None
    detail: str | None = None
    warning: str | None = None


@dataclass(slots=True)
class BulkResult:
    total: int
    written: bool = True
    rows: list[RowResult] = field(default_factory=list)

    def count(self, result: str) -> int:
        return sum(row.result == result for row in self.rows)


@dataclass(slots=True)
class _Chunk:
    """What one transaction works on and makes; with a ``quota`` at most ``room`` new people."""

    plan: AssessmentPlan
    people: dict[UUID, Testee]
    by_external: dict[str, UUID]
    rounds: dict[UUID, list[Enrollment]]
    quota: int | None
    room: int
    new_people: list[Testee] = field(default_factory=list)
    enrollments: list[Enrollment] = field(default_factory=list)
    tasks: list[AssessmentTask] = field(default_factory=list)


class BulkEnrolling:
    """Works in transactions of a thousand rows; repeating a call after a crash finishes it."""

    def __init__(self, uow: PlanUnitOfWorkFactory, new_id: IdGenerator) -> None:
        self._uow = uow
        self._new_id = new_id

    async def enroll_many(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        rows: Sequence[Mapping[str, Any]],
        *,
        actor: str,
        dry_run: bool = False,
        all_or_nothing: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> BulkResult:
        """Enrolls each row; a failing row leaves the others alone unless ``all_or_nothing`` is asked.

        Rows that would create more testees than the tenant's quota has room for fail (``quota.reached``).

        A row names a testee by ``testee_id`` or ``external_id`` (an unknown external one is created, a known
        one left as it is) and a ``start_date``. ``on_progress`` is told how many rows are done.

        Raises:
            PlanAbsent, NoRows, TooManyRows
        """
        if not rows:
            raise NoRows
        if len(rows) > MAX_ROWS:
            raise TooManyRows
        result = BulkResult(len(rows))
        one_transaction = dry_run or all_or_nothing
        size = len(rows) if one_transaction else _CHUNK
        for start in range(0, len(rows), size):
            part = list(enumerate(rows[start : start + size], start=start + 1))
            done = await self._try_chunk(tenant_id, plan_id, part, actor, dry_run, all_or_nothing)
            result.rows += done
            if on_progress is not None:
                on_progress(len(result.rows))
        result.written = not dry_run and not (all_or_nothing and result.count("failed"))
        return result

    async def _try_chunk(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        rows: Sequence[tuple[int, Mapping[str, Any]]],
        actor: str,
        dry_run: bool,
        all_or_nothing: bool,
    ) -> list[RowResult]:
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._chunk(tenant_id, plan_id, rows, actor, dry_run, all_or_nothing)
            except ExternalIdTaken:
                # Somebody created one of these testees at the same moment; now it is a known one.
                if attempt == _TRIES:
                    raise
        raise AssertionError("unreachable")

    async def _chunk(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        rows: Sequence[tuple[int, Mapping[str, Any]]],
        actor: str,
        dry_run: bool,
        all_or_nothing: bool,
    ) -> list[RowResult]:
        async with self._uow(tenant_id) as uow:
            plan = await found_plan(uow, plan_id, Lock.SHARE)
            read, results = await _read(rows)
            chunk = await self._load(uow, plan, read)
            async for number, row in _breathing(read):
                results.append(self._enroll_row(chunk, number, row, uow, tenant_id))
                if dry_run:
                    # Nobody will ask for them, and ten thousand rows may come to a million.
                    chunk.tasks.clear()
            results.sort(key=lambda r: r.row)
            failed = any(r.result == "failed" for r in results)
            refused = all_or_nothing and failed
            if dry_run or refused:
                _forget_unwritten(results, chunk, refused=refused)
            else:
                await self._write(uow, chunk, actor)
                await uow.commit("bulk_enroll.chunk")
        return results

    async def _load(
        self, uow: PlanUnitOfWork, plan: AssessmentPlan, rows: Sequence[tuple[int, EnrollmentRow]]
    ) -> _Chunk:
        external = [row.external_id for _, row in rows if row.external_id is not None]
        known = await uow.testees.many_by_external_id(external)
        by_external = {name: testee.id for name, testee in known.items()}
        wanted = [row.testee_id for _, row in rows if row.testee_id is not None]
        people = dict(await uow.testees.lock_many([*wanted, *by_external.values()]))
        rounds = await uow.enrollments.rounds_of(plan.id, list(people))
        quota = await uow.quotas.limit(Quota.TESTEES) if len(by_external) < len(set(external)) else None
        room = 0 if quota is None else quota - await uow.testees.count()
        return _Chunk(plan, people, by_external, {k: list(v) for k, v in rounds.items()}, quota, room)

    def _enroll_row(
        self, chunk: _Chunk, number: int, row: EnrollmentRow, uow: PlanUnitOfWork, tenant_id: UUID
    ) -> RowResult:
        try:
            person, is_new = self._person(chunk, row, uow, tenant_id)
            rounds = chunk.rounds.setdefault(person.id, [])
            meant = enrollment_meant(chunk.plan.schedule, rounds, row.start_date, new_round=row.new_round)
            if meant is None:
                person.require_present()
                newcomer = Newcomer(person.id, person.timezone, row.start_date)
                enrollment, tasks = enroll(chunk.plan, newcomer, len(rounds) + 1, uow.now, self._new_id)
                rounds.append(enrollment)
                chunk.enrollments.append(enrollment)
                chunk.tasks += tasks
            if is_new:
                chunk.new_people.append(person)
                chunk.people[person.id] = person
                assert row.external_id is not None
                chunk.by_external[row.external_id] = person.id
        except QsError as error:
            detail = "; ".join(f"{p.pointer[1:]} {p.detail}" for p in getattr(error, "problems", ()))
            return RowResult(number, "failed", error=error.code, detail=detail or error.sentence)
        warning = None if is_new or not row.describes_person else _KNOWN
        if meant is not None:
            return RowResult(number, "existing", person.id, meant.id, warning=warning)
        return RowResult(number, "created", person.id, enrollment.id, warning=warning)

    def _person(
        self, chunk: _Chunk, row: EnrollmentRow, uow: PlanUnitOfWork, tenant_id: UUID
    ) -> tuple[Testee, bool]:
        testee_id = row.testee_id
        if testee_id is None and row.external_id is not None:
            testee_id = chunk.by_external.get(row.external_id)
            if testee_id is None:
                if chunk.quota is not None and len(chunk.new_people) >= chunk.room:
                    raise QuotaReached(Quota.TESTEES, chunk.quota)
                return row.new_testee(self._new_id(), tenant_id, uow.now), True
        person = chunk.people.get(testee_id) if testee_id is not None else None
        if person is None:
            raise TesteeAbsent
        return person, False

    async def _write(self, uow: PlanUnitOfWork, chunk: _Chunk, actor: str) -> None:
        await uow.testees.add_many(chunk.new_people)
        await uow.enrollments.add_many(chunk.enrollments)
        await uow.tasks.add_many(chunk.tasks)
        await uow.events.add([event for e in chunk.enrollments for event in e.recorded])
        await uow.audit.add(
            "enrollment.bulk_joined",
            "plan",
            chunk.plan.id,
            actor=actor,
            detail={"enrollments": len(chunk.enrollments), "testees": len(chunk.new_people)},
        )


_KNOWN = (
    "the testee is known and was left as it is; name, contacts, timezone and locale of the row were not used"
)


def _forget_unwritten(results: Sequence[RowResult], chunk: _Chunk, *, refused: bool) -> None:
    """Nothing was written, so the ids that were made for it name nothing."""
    people = {person.id for person in chunk.new_people}
    enrollments = {enrollment.id for enrollment in chunk.enrollments}
    for row in results:
        if row.testee_id in people:
            row.testee_id = None
        if row.enrollment_id in enrollments:
            row.enrollment_id = None
            row.result = "not_written" if refused else row.result


async def _breathing(rows: Sequence[T]) -> AsyncIterator[T]:
    """The rows one by one, with room between them for whatever else this process has to answer."""
    for number, row in enumerate(rows, start=1):
        yield row
        if number % _ROWS_PER_BREATH == 0:
            await asyncio.sleep(0)


async def _read(
    rows: Sequence[tuple[int, Mapping[str, Any]]],
) -> tuple[list[tuple[int, EnrollmentRow]], list[RowResult]]:
    read: list[tuple[int, EnrollmentRow]] = []
    failed: list[RowResult] = []
    async for number, fields in _breathing(rows):
        try:
            read.append((number, read_row(fields)))
        except Invalid as error:
            detail = "; ".join(f"{p.pointer[1:]} {p.detail}" for p in error.problems)
            failed.append(RowResult(number, "failed", error=error.code, detail=detail))
    return read, failed
