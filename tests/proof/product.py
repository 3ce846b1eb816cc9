"""The product as the model can be compared with it: asked through its services, read back from PostgreSQL."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from msgspec.structs import replace
from sqlalchemy import text
from structlog.testing import capture_logs

from qs.application.kernel import crash
from qs.application.kernel.republishing import Republishing
from qs.application.kernel.streams import Envelopes
from qs.application.notification import announcing
from qs.application.plan.keeping import Profile
from qs.application.plan.operating import TaskOperating
from qs.application.plan.sweep_report import ALL_PHASES, Phase
from qs.container import build_container, close
from qs.domain.kernel.errors import QsError
from qs.domain.plan.plan import ResumePolicy
from qs.infra.postgres.outbox_republishing import SqlRepublishingOutbox
from qs.settings import Settings
from qs.settings.sections import SweepSettings
from tests.proof.model import Model
from tests.support.events import STREAM, make_effect_table

T = TypeVar("T")

ACTOR = "user:anna"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Business time stands still between the steps, so that every boundary can be hit to the microsecond.
_STOP_CLOCK = f"""
CREATE OR REPLACE FUNCTION qs_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT timestamptz '{_EPOCH.isoformat()}' + (SELECT clock_offset FROM business_clock)
$$"""
_PLANS = "SELECT id, status, paused_at, resumed_at FROM plan WHERE tenant_id = $1"
_ENROLLMENTS = """
SELECT id, plan_id, testee_id, round, start_date, status, reason, tasks_left, paused_at, resumed_at
FROM enrollment WHERE tenant_id = $1"""
_TASKS = """
SELECT id, enrollment_id, seq, status, reason, planned_at, due_at, closes_at, opened_at, expires_at, timezone,
    completed_at, expired_at, canceled_at, cardinality(entry_keys) AS generation, assessment_id
FROM task WHERE tenant_id = $1"""
_NEWS = """
SELECT ordinal, name, subject, partition_key, occurred_at, data FROM outbox
WHERE tenant_id = $1 AND ordinal > $2 ORDER BY ordinal"""
_PUBLISHED = """
SELECT o.id, o.partition_key, o.name, o.position,
    (SELECT count(*) FROM effect e WHERE e.event_id = o.id) AS effects,
    (SELECT count(*) FROM delivery d WHERE d.event_id = o.id) AS deliveries
FROM outbox o WHERE o.tenant_id = $1 ORDER BY o.ordinal"""
_ENDS = ("completed", "expired", "canceled")


class Crash(Exception):
    """The process died here, as far as the caller can tell."""


@dataclass(frozen=True)
class Fault:
    """A crash at the ``nth`` passing of a point whose name ends so."""

    at: str
    nth: int = 1


class Witness:
    """The notifications' subscriber, with a row for each event it acts on; no key keeps a second one away."""

    subscription = announcing.SUBSCRIPTION

    def __init__(self, subscriber: Any) -> None:
        self._subscriber = subscriber

    async def handle(self, uow: Any, events: Sequence[Any]) -> None:
        await self._subscriber.handle(uow, events)
        insert = text("INSERT INTO effect (event_id) SELECT unnest(CAST(:ids AS uuid[]))")
        await uow.connection.execute(insert, {"ids": [event.id for event in events]})


class Product:
    """One installation on one database, driven step by step; every example works in a tenant of its own."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self._settings = replace(settings, sweep=SweepSettings(batch=2))
        self._quiet = ExitStack()
        self._examples = 0

    def __enter__(self) -> "Product":
        # A crash within the subscriber is logged with its stack, which takes longer than the work.
        self._quiet.enter_context(capture_logs())
        self.run(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self.run(self._close())
        self._runner.close()
        self._quiet.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def begin(self, now: datetime, testees: dict[str, str | None]) -> None:
        """A new tenant at that instant, with testees by name and zone."""
        self.run(self._begin(now, testees))

    def stand_at(self, now: datetime) -> None:
        """Business time is that instant until told otherwise."""
        self.run(self._admin.execute("UPDATE business_clock SET clock_offset = $1", now - _EPOCH))

    def ask(
        self, command: Callable[[], Awaitable[Any]], fault: Fault | None = None
    ) -> tuple[Any, str | None]:
        """What the product answers, or the code of its refusal; and the point where it crashed, if it did.

        After a crash the answer is None, unless something within the product bore it.
        """
        left = fault.nth if fault else 0
        crashed_at = None

        async def trap(point: str) -> None:
            nonlocal left, crashed_at
            if fault and left and point.endswith(fault.at):
                left -= 1
                if left == 0:
                    crashed_at = point
                    raise Crash(point)

        async def answer() -> Any:
            try:
                return await command()
            except QsError as error:
                return error.code
            except Crash:
                return None

        with crash.armed(trap):
            return self.run(answer()), crashed_at

    # Each command takes names and answers as the model's method of the same name does.

    async def create(self, name: str, fields: dict[str, Any]) -> None:
        given = {"name": name, "scale_code": "PHQ-9"} | fields
        self.plans[name] = (
            await self._container.plan_authoring().create(self.tenant_id, given, actor=ACTOR)
        ).id

    async def pause(self, plan: str) -> str:
        return await self._steer("pause", self.plans[plan])

    async def resume(self, plan: str, policy: str) -> str:
        return await self._steer("resume", self.plans[plan], ResumePolicy(policy))

    async def finish(self, plan: str) -> str:
        return await self._steer("finish", self.plans[plan])

    async def cancel_plan(self, plan: str) -> str:
        return await self._steer("cancel", self.plans[plan])

    async def enroll(self, plan: str, testee: str, start: date, new_round: bool) -> bool:
        enroll = self._container.enrolling().enroll
        who = self.plans[plan], self.testees[testee]
        return (await enroll(self.tenant_id, *who, start, actor=ACTOR, new_round=new_round)).created

    async def pause_enrollment(self, enrollment: str) -> str:
        return await self._steer("pause_enrollment", self.enrollments[enrollment])

    async def resume_enrollment(self, enrollment: str, policy: str) -> str:
        return await self._steer("resume_enrollment", self.enrollments[enrollment], ResumePolicy(policy))

    async def terminate(self, plan: str, testee: str, reason: str) -> int:
        terminate = self._container.plan_steering().terminate
        who = self.plans[plan], self.testees[testee]
        return (await terminate(self.tenant_id, *who, reason, actor=ACTOR)).canceled

    async def sweep(self, only_expiry: bool, at_once: int) -> Counter[str]:
        """What that many sweeps at the same time did together."""
        phases = (Phase.EXPIRE,) if only_expiry else ALL_PHASES
        sweep = self._container.task_scheduling().sweep
        sweeps = (sweep(self.tenant_id, phases=phases) for _ in range(at_once))
        done = Counter(opened=0, expired=0, missed=0)
        for report in await asyncio.gather(*sweeps, return_exceptions=True):
            if isinstance(report, BaseException):
                raise report
            assert report.failed == 0, report.errors
            done.update({phase: getattr(report, phase) for phase in done})
        return done

    async def open(self, task: str) -> str:
        task_now, _ = await self._operating.open(self.tenant_id, self.tasks[task], actor=ACTOR)
        return str(task_now.status)

    async def submit(self, task: str, generation: int, assessment_id: str) -> bool:
        key_id = self._container.keyring().current_id
        token = self._container.entry_generator()._token(self.tasks[task], key_id, generation)
        submit = self._container.entry_admission().submit
        return (await submit(str(token), str(self.tasks[task]), assessment_id)).repeated

    async def expire(self, task: str) -> str:
        return str((await self._operating.expire(self.tenant_id, self.tasks[task], actor=ACTOR)).status)

    async def cancel(self, task: str, reason: str) -> str:
        return str(
            (await self._operating.cancel(self.tenant_id, self.tasks[task], reason, actor=ACTOR)).status
        )

    async def reissue(self, task: str) -> int:
        task_now, _ = await self._operating.reissue(self.tenant_id, self.tasks[task], actor=ACTOR)
        return task_now.generation

    async def act_on_events(self) -> None:
        """Relay and subscriber work until neither has anything to do."""
        relay, subscribing = self._container.publishing()._relay, self._container.announcing()
        busy = True
        while busy:
            busy = False
            while await relay.cycle():
                busy = True
            # Reading where nothing waits would wait for it.
            while await self._has_unread():
                await subscribing.follow(timedelta(milliseconds=1))
                busy = True
            busy |= await subscribing.adopt(timedelta(0)) + await subscribing.retry() > 0

    async def replay(self, event_id: UUID) -> None:
        """Has an event published again, as an operator may."""
        await self._container.event_replay().replay(self.tenant_id, event_ids=[event_id], actor=ACTOR)

    async def repeat_stream(self) -> None:
        """What the stream got last comes once more."""
        redis = self._container.redis()
        for _, fields in reversed(await redis.xrevrange(STREAM, count=10)):
            await redis.xadd(STREAM, fields)

    async def lose_redis(self) -> None:
        """Redis is emptied, and the relay finds out."""
        await self._container.redis().flushall()
        await Republishing(
            SqlRepublishingOutbox(self._container.engine()),
            self._container.event_streams(),
            Envelopes(),
            self._container.subscriptions(),
            after=timedelta(seconds=5),
        ).heal()

    def state(self) -> dict[str, dict[str, Any]]:
        """Every plan, enrollment and task of the tenant by its name in the model."""
        return self.run(self._state())

    def news(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What was recorded since the last call, in order: whose it is, its name and its facts."""
        return self.run(self._news())

    def published(self) -> list[asyncpg.Record]:
        """Every event of the tenant as recorded, with its position and how often it was acted on."""
        return self.run(self._published())

    async def _published(self) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await self._admin.fetch(_PUBLISHED, self.tenant_id)
        return found

    @property
    def _operating(self) -> TaskOperating:
        return self._container.task_operating()

    async def _steer(self, command: str, id_: UUID, *how: ResumePolicy) -> str:
        steer = getattr(self._container.plan_steering(), command)
        return str((await steer(self.tenant_id, id_, *how, actor=ACTOR)).status)

    async def _open(self) -> None:
        self._container = build_container(self._settings)
        url = self._settings.database.url
        assert url is not None
        await make_effect_table(url)
        self._admin = await asyncpg.connect(url)
        await self._admin.execute(_STOP_CLOCK)
        await self._container.redis().flushall()
        subscribing = self._container.announcing()
        subscribing._subscriber = Witness(subscribing._subscriber)

    async def _close(self) -> None:
        await self._admin.close()
        await close(self._container)

    async def _begin(self, now: datetime, testees: dict[str, str | None]) -> None:
        # What an example that failed left behind is none of the next one's.
        await self.act_on_events()
        await self._container.redis().delete(STREAM)
        self._examples += 1
        await self._admin.execute("UPDATE business_clock SET clock_offset = $1", now - _EPOCH)
        tenant = await self._container.tenant_administration().create(
            f"t{self._examples}", "Model", "Asia/Shanghai", actor=ACTOR
        )
        self.tenant_id = tenant.id
        self.plans: dict[str, UUID] = {}
        self.enrollments: dict[str, UUID] = {}
        self.tasks: dict[str, UUID] = {}
        keeping = self._container.testee_keeping()
        self.testees = {
            name: (await keeping.create(self.tenant_id, Profile(timezone=zone), actor=ACTOR)).id
            for name, zone in testees.items()
        }
        self._read_through = await self._admin.fetchval("SELECT coalesce(max(ordinal), 0) FROM outbox")

    async def _has_unread(self) -> bool:
        redis = self._container.redis()
        if not await redis.exists(STREAM):
            return False
        groups = await redis.xinfo_groups(STREAM)
        return not groups or groups[0]["lag"] != 0

    async def _state(self) -> dict[str, dict[str, Any]]:
        plans = {id_: name for name, id_ in self.plans.items()}
        testees = {id_: name for name, id_ in self.testees.items()}
        state: dict[str, dict[str, Any]] = {}
        for row in await self._admin.fetch(_PLANS, self.tenant_id):
            facts = dict(row)
            state[plans[facts.pop("id")]] = facts
        enrollments = {}
        for row in await self._admin.fetch(_ENROLLMENTS, self.tenant_id):
            facts = dict(row)
            name = f"{plans[facts.pop('plan_id')]}, {testees[facts.pop('testee_id')]}, round {facts['round']}"
            enrollments[facts["id"]] = name
            self.enrollments[name] = facts.pop("id")
            state[name] = facts
        for row in await self._admin.fetch(_TASKS, self.tenant_id):
            facts = dict(row)
            name = f"{enrollments[facts.pop('enrollment_id')]}, task {facts['seq']}"
            self.tasks[name] = facts.pop("id")
            state[name] = facts
        return state

    async def _news(self) -> list[tuple[str, str, dict[str, Any]]]:
        names = {id_: name for name, id_ in (self.plans | self.enrollments).items()}
        news = []
        for row in await self._admin.fetch(_NEWS, self.tenant_id, self._read_through):
            self._read_through = row["ordinal"]
            facts = _facts(json.loads(row["data"])) | {"occurred_at": row["occurred_at"]}
            news.append((names[row["partition_key"]], row["name"], facts))
        return news


def expected_state(model: Model) -> dict[str, dict[str, Any]]:
    """The model's plans, enrollments and tasks as ``Product.state`` returns them."""
    state: dict[str, dict[str, Any]] = {}
    for plan in model.plans:
        state[plan.name] = _named(plan, "status", "paused_at", "resumed_at")
    for each in model.enrollments:
        facts = _named(each, "status", "reason", "paused_at", "resumed_at")
        state[each.name] = each.facts() | facts | {"tasks_left": len(each.left)}
    for task in model.tasks:
        facts = _named(task, "status", "reason", "closes_at", "generation", "assessment_id")
        ends = {f"{end}_at": task.ended_at if task.status == end else None for end in _ENDS}
        state[task.name] = task.facts() | facts | ends
    return state


def _named(thing: object, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _facts(data: dict[str, Any]) -> dict[str, Any]:
    """An event's data without the ids, whose places the model's names take, and the scale."""
    facts = {
        name: value for name, value in data.items() if not name.endswith("_id") or name == "assessment_id"
    }
    facts.pop("scale_code", None)
    for name, value in facts.items():
        if value is not None and (name.endswith("_at") or name == "planned_before"):
            facts[name] = datetime.fromisoformat(value)
        elif name == "start_date":
            facts[name] = date.fromisoformat(value)
    return facts
