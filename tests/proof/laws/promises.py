"""I9: what was answered with success is there, and what was not answered is there once or not at all."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from tests.proof.journal import Journal, Write

_CREATED = {
    "create_testee": ("testee", "testee.created"),
    "create_plan": ("plan", "plan.created"),
    "enroll": ("enrollment", "enrollment.joined"),
}
"""What a creation makes, and what the audit says of one that was made by a call of its own."""
_STEERING = {"pause": "paused", "resume": "active"}
_SLACK = timedelta(milliseconds=50)

# Told once for all subjects: asked for each, the outbox would be read as often as there are subjects.
_ROWS = """
WITH told AS MATERIALIZED (
    SELECT subject, count(*)::int AS times FROM outbox
    WHERE name IN ('EntryReissued', 'EnrollmentPaused', 'PlanPaused') GROUP BY subject
)
SELECT 'task' AS kind, id, tenant_id::text AS tenant, status, assessment_id AS answer, opened_at IS NOT NULL AS opened,
    coalesce(told.times, 0) AS told
FROM task t LEFT JOIN told ON told.subject = 'tasks/' || t.id WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT 'enrollment', id, tenant_id::text, status, NULL, NULL, coalesce(told.times, 0)
FROM enrollment e LEFT JOIN told ON told.subject = 'enrollments/' || e.id WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT 'plan', id, tenant_id::text, status, NULL, NULL, coalesce(told.times, 0)
FROM plan p LEFT JOIN told ON told.subject = 'plans/' || p.id WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT 'testee', id, tenant_id::text, external_id, NULL, erased_at IS NOT NULL, 0 FROM testee WHERE id = ANY ($1::uuid[])
"""
_MADE = """
SELECT tenant_id::text AS tenant, object_id AS id, at FROM audit WHERE action = $1 ORDER BY id
"""
_TWICE = """
SELECT tenant_id::text AS tenant, testee_id, plan_id, start_date, count(*) AS n FROM enrollment
WHERE testee_id IN (SELECT testee_id FROM enrollment WHERE id = ANY ($1::uuid[]))
GROUP BY tenant_id, testee_id, plan_id, start_date HAVING count(*) > 1
"""


@dataclass(frozen=True)
class Row:
    """What became of a subject. ``status`` of a testee is its external id, ``opened`` that it was erased.

    ``told`` counts EntryReissued of a task, and how often an enrollment or a plan was paused.
    """

    kind: str
    id: UUID
    tenant: str
    status: str | None
    answer: str | None
    opened: bool | None
    told: int


async def broken(connection: asyncpg.Connection, journal: Journal) -> list[str]:
    """What breaks I9. Of creations the journal must have all since the first it has of their kind in a tenant."""
    subjects = {subject for write in journal.writes if (subject := _subject(write)) is not None}
    rows = {row["id"]: Row(**dict(row)) for row in await connection.fetch(_ROWS, list(subjects))}
    found = list(_undone(journal.done(), rows))
    found += _reissued(journal.writes, rows)
    found += _steered(journal.writes, rows)
    found += _told_apart(journal.done())
    for kind, (what, action) in _CREATED.items():
        own = [write for write in journal.writes if write.kind == kind and "bulk" not in write.detail]
        if own:
            found += _created(what, own, await connection.fetch(_MADE, action))
    if not any(write.detail.get("new_round") for write in journal.writes):
        for row in await connection.fetch(_TWICE, list(subjects)):
            found.append(
                f"testee {row['testee_id']} is enrolled {row['n']} times in plan {row['plan_id']} from"
                f" {row['start_date']}"
            )
    return [f"I9: {sentence}" for sentence in found]


def _subject(write: Write) -> UUID | None:
    # A caller may have put it down as it was answered.
    return None if write.subject is None else UUID(str(write.subject))


def _undone(done: Iterable[Write], rows: Mapping[UUID, Row]) -> Iterator[str]:
    for write in done:
        subject = _subject(write)
        if subject is None or write.kind not in _EXPECTED:
            continue
        row = rows.get(subject)
        if row is None or row.kind not in _EXPECTED[write.kind]:
            yield f"{write.kind} of {subject} was answered with {write.status}, and there is no such thing"
        elif row.tenant != write.tenant:
            yield f"{write.kind} of {subject} was asked for by tenant {write.tenant} and is tenant {row.tenant}'s"
        elif not _EXPECTED[write.kind][row.kind](row, write):
            told = ", ".join(f"{name} {value}" for name, value in write.detail.items())
            yield (
                f"{write.kind} of {row.kind} {subject} was answered with {write.status} ({told}), and it is"
                f" {row.status} {row.answer or ''}".rstrip()
            )


_Fits = Callable[[Row, Write], bool]


def _always(_: Row, __: Write) -> bool:
    return True


def _answered(row: Row, write: Write) -> bool:
    return row.status == "completed" and write.detail.get("assessment_id", row.answer) == row.answer


def _known(row: Row, write: Write) -> bool:
    wanted = write.detail.get("external_id")
    return wanted is None or row.status == wanted or bool(row.opened)


_EXPECTED: Mapping[str, Mapping[str, _Fits]] = {
    "create_testee": {"testee": _known},
    "create_plan": {"plan": _always},
    "enroll": {"enrollment": _always},
    "terminate": {"enrollment": lambda row, _: row.status in ("terminated", "closed")},
    "pause": {"enrollment": lambda row, _: row.told > 0, "plan": lambda row, _: row.told > 0},
    "resume": {"enrollment": _always, "plan": _always},
    "open": {"task": lambda row, _: bool(row.opened)},
    "submit": {"task": _answered},
    "cancel": {"task": lambda row, _: row.status == "canceled"},
    "expire": {"task": lambda row, _: row.status == "expired"},
    "reissue": {"task": lambda row, write: row.told + 1 >= write.detail.get("generation", 2)},
}
"""By kind of write, what its subject may be and what must be true of it for ever after the write is done."""


def _reissued(writes: Sequence[Write], rows: Mapping[UUID, Row]) -> Iterator[str]:
    """Each link that was given anew was asked for once."""
    asked: dict[UUID, list[Write]] = defaultdict(list)
    for write in writes:
        if write.kind == "reissue" and (subject := _subject(write)) is not None:
            asked[subject].append(write)
    for subject, own in asked.items():
        done = sum(write.is_acknowledged or write.settled == "found" for write in own)
        perhaps = sum(write.is_acknowledged or write.was_unknown for write in own)
        told = rows[subject].told if subject in rows else 0
        if not done <= told <= perhaps:
            yield f"task {subject} got {told} new links where {done} to {perhaps} were asked for"


def _steered(writes: Sequence[Write], rows: Mapping[UUID, Row]) -> Iterator[str]:
    """Whatever was paused or resumed last, while nobody else did, is so still, unless it has ended."""
    asked: dict[UUID, list[Write]] = defaultdict(list)
    for write in writes:
        subject = _subject(write)
        if subject is None or subject not in rows or write.kind not in _STEERING:
            continue
        if write.is_acknowledged or write.was_unknown:
            asked[subject].append(write)
    for subject, own in asked.items():
        last = max(own, key=lambda write: write.sent_at)
        others = (write for write in own if write is not last)
        alone = all(write.answered_at is not None and write.answered_at < last.sent_at for write in others)
        sure = last.is_acknowledged and not any(write.was_unknown and write.settled is None for write in own)
        status = rows[subject].status
        if alone and sure and status in _STEERING.values() and status != _STEERING[last.kind]:
            yield f"{last.kind} of {rows[subject].kind} {subject} was answered last, and it is {status}"


def _told_apart(done: Iterable[Write]) -> Iterator[str]:
    """One key is one thing, whoever asks and how often."""
    made: dict[tuple[str, str, str], set[UUID]] = defaultdict(set)
    for write in done:
        subject = _subject(write)
        if write.kind in _CREATED and write.key is not None and subject is not None:
            made[write.tenant, write.kind, write.key].add(subject)
    for (tenant, kind, key), subjects in made.items():
        if len(subjects) > 1:
            yield f"{kind} of tenant {tenant} with key {key} was answered with {sorted(map(str, subjects))}"


def _created(what: str, own: Sequence[Write], made: Sequence[asyncpg.Record]) -> Iterator[str]:
    """Nothing was made twice: there are no more than there were keys to make them under."""
    began: dict[str, datetime] = {}
    wanted: dict[str, set[object]] = defaultdict(set)
    named: set[UUID | None] = set()
    for write in own:
        began[write.tenant] = min(began.get(write.tenant, _LATE), _system_time(write.sent_at))
        if write.is_acknowledged or write.was_unknown:
            wanted[write.tenant].add(id(write) if write.key is None else write.key)
        named.add(_subject(write))
    for tenant, since in began.items():
        ids = {row["id"] for row in made if row["tenant"] == tenant and row["at"] >= since - _SLACK}
        if len(ids) > len(wanted[tenant]):
            nobody = sorted(str(each) for each in ids - named)[:5]
            yield (
                f"tenant {tenant} got {len(ids)} of {what} for {len(wanted[tenant])} keys; of these nobody was told:"
                f" {', '.join(nobody)}"
            )


_LATE = datetime.max.replace(tzinfo=UTC)


def _system_time(monotonic: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=time.monotonic() - monotonic)
