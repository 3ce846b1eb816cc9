"""Whatever is done in whatever order, crashes included, the product is where the model says and told the same."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from qs.application.plan import steering
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.plan import ResumePolicy
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.infra.postgres.inbox import SqlInbox
from qs.infra.postgres.published_events import COLUMNS, to_events
from qs.infra.postgres.unit_of_work import Outbox, SqlUnitOfWork
from tests.proof.machine import AgainstModel
from tests.proof.product import Product
from tests.support import databases
from tests.support.settings import make_settings

# Hypothesis gives up making a failure smaller after five minutes; being stopped earlier would hide it.
pytestmark = pytest.mark.timeout(1800)

Bug = Callable[[pytest.MonkeyPatch], None]
STEPS = 30


@pytest.fixture
def product(servers, template_database, tmp_path) -> Iterator[Product]:
    name = "against_model"
    asyncio.run(databases.clone(servers.database_url, template_database, name))
    address = databases.address(servers.database_url, name)
    with Product(make_settings(address, servers.redis_url, tmp_path)) as product:
        yield product
    asyncio.run(databases.drop(servers.database_url, name))


@pytest.fixture
def seed_given(pytestconfig) -> int:
    """That of the option ``--hypothesis-seed``, else a new one each time."""
    return int(pytestconfig.getoption("--hypothesis-seed") or secrets.randbits(32))


def test_the_product_does_what_the_model_does(product, seed_given):
    practise(product, seed_given, examples=15)


@pytest.mark.proof_long
def test_the_product_does_what_the_model_does_at_length(product, seed_given):
    practise(product, seed_given, examples=200)


def practise(product: Product, number: int, *, examples: int, **more: Any) -> None:
    """Compares product and model that many times; a failure says how to repeat it."""
    machine = seed(number)(type("Machine", (AgainstModel,), {"product": product}))
    options = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **more,
    )
    try:
        run_state_machine_as_test(machine, settings=options)
    except BaseException as error:
        error.add_note(f"--hypothesis-seed={number} repeats it")
        raise


def resuming_shifts_nothing(patch):
    resume_tasks: Any = vars(steering)["resume_tasks"]

    def keep(plan, enrollment, tasks, policy, *rest):
        return resume_tasks(
            plan, enrollment, tasks, ResumePolicy.KEEP if policy is ResumePolicy.SHIFT else policy, *rest
        )

    patch.setattr(steering, "resume_tasks", keep)


def skipping_takes_the_occasion_of_this_very_moment_too(patch):
    resume_tasks: Any = vars(steering)["resume_tasks"]

    def skip(plan, enrollment, tasks, policy, paused_at, now, by):
        changed = resume_tasks(plan, enrollment, tasks, policy, paused_at, now, by)
        if policy is ResumePolicy.SKIP:
            more = [t for t in tasks if t.status is TaskStatus.PENDING and paused_at <= t.planned_at == now]
            changed += [task for task in more if task.cancel("paused", now, by)]
            enrollment.settle(len(more), now)
        return changed

    patch.setattr(steering, "resume_tasks", skip)


def a_new_link_lives_longer(patch):
    reissue = AssessmentTask.reissue

    def prolong(self, entry, now, by):
        self.expires_at += timedelta(7)
        reissue(self, entry, now, by)

    patch.setattr(AssessmentTask, "reissue", prolong)


def canceling_what_is_open_is_not_told(patch):
    cancel = AssessmentTask.cancel

    def silent(self, *arguments):
        told, was = self.recorded, self.status
        changed = cancel(self, *arguments)
        if was is TaskStatus.OPENED:
            self.recorded = told
        return changed

    patch.setattr(AssessmentTask, "cancel", silent)


def a_link_works_at_the_moment_it_ends(patch):
    admission = AssessmentTask.admission
    patch.setattr(
        AssessmentTask, "admission", lambda self, now: admission(self, now - timedelta(microseconds=1))
    )


def an_operator_opens_for_those_who_are_paused(patch):
    patch.setattr(Enrollment, "require_active", lambda self: None)


def events_are_recorded_after_the_commit(patch):
    commit, add = SqlUnitOfWork.commit, Outbox.add

    async def hold(self, events):
        self.held = [*getattr(self, "held", []), *events]

    async def commit_and_tell(self, at):
        await commit(self, at)
        if held := getattr(self.events, "held", []):
            tenant = text("SELECT set_config('qs.tenant_id', :tenant, true)")
            await self.connection.execute(tenant, {"tenant": str(self.tenant_id)})
            await add(self.events, held)
            await self.connection.commit()

    patch.setattr(Outbox, "add", hold)
    patch.setattr(SqlUnitOfWork, "commit", commit_and_tell)


def the_subscriber_has_no_inbox(patch):
    async def take_everything(self, subscriber, event_ids):
        wanted = text(f"SELECT {COLUMNS} FROM outbox o WHERE o.id = ANY(:ids) ORDER BY o.position")
        return to_events(await self._connection.execute(wanted, {"ids": list(event_ids)}))

    patch.setattr(SqlInbox, "take", take_everything)


BUGS = [
    resuming_shifts_nothing,
    skipping_takes_the_occasion_of_this_very_moment_too,
    a_new_link_lives_longer,
    canceling_what_is_open_is_not_told,
    a_link_works_at_the_moment_it_ends,
    an_operator_opens_for_those_who_are_paused,
    events_are_recorded_after_the_commit,
    the_subscriber_has_no_inbox,
]


@pytest.mark.proof_long
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_bug_is_found(product, monkeypatch, bug):
    bug(monkeypatch)

    with pytest.raises(AssertionError):
        practise(product, 1, examples=200, phases=(Phase.generate,), report_multiple_bugs=False)
