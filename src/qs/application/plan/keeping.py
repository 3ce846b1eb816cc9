"""Keeping testees: create, replace, erase."""

from dataclasses import dataclass
from uuid import UUID

from qs.application.kernel.quotas import require_room
from qs.application.plan.finding import TesteeRef, found_plan, found_testee
from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.steering import terminate_enrollment
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.ids import IdGenerator
from qs.domain.kernel.quotas import Quota
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.testee import Contact, Guardian, OptOut, Testee


@dataclass(frozen=True, slots=True)
class Profile:
    """All that may be said of a testee from outside; replacing a testee replaces all of it."""

    external_id: str | None = None
    name: str | None = None
    timezone: str | None = None
    locale: str | None = None
    contacts: tuple[Contact, ...] = ()
    guardians: tuple[Guardian, ...] = ()
    opt_outs: tuple[OptOut, ...] = ()


class UnknownOptOutPlan(Invalid):
    code = "testee.unknown_plan"
    sentence = "an opt-out names a plan that is not there; check its plan_id"

    def __init__(self, position: int) -> None:
        super().__init__([Problem(f"/opt_outs/{position}/plan_id", "must be the id of a plan")])


class TesteeKeeping:
    def __init__(self, uow: PlanUnitOfWorkFactory, new_id: IdGenerator) -> None:
        self._uow = uow
        self._new_id = new_id

    async def create(self, tenant_id: UUID, profile: Profile, *, actor: str) -> Testee:
        """A new testee. Raises ExternalIdTaken, UnknownOptOutPlan, QuotaReached."""
        async with self._uow(tenant_id) as uow:
            await self._check_plans(uow, profile)
            testee = Testee(self._new_id(), tenant_id, uow.now, uow.now)
            _take_over(testee, profile)
            await require_room(uow.quotas, Quota.TESTEES, uow.testees.count)
            await uow.testees.add_many([testee])
            await uow.audit.add("testee.created", "testee", testee.id, actor=actor)
            await uow.commit("testee.create")
        return testee

    async def replace(
        self,
        tenant_id: UUID,
        ref: TesteeRef,
        profile: Profile,
        *,
        actor: str,
        version: int | None = None,
    ) -> Testee:
        """The testee with everything said of them replaced; scheduled tasks keep their zone.

        Raises:
            TesteeAbsent, TesteeErasedAlready, ExternalIdTaken, StaleVersion, UnknownOptOutPlan
        """
        async with self._uow(tenant_id) as uow:
            await self._check_plans(uow, profile)
            testee = await found_testee(uow, ref, Lock.UPDATE)
            testee.require_present()
            if version is not None and testee.version != version:
                raise StaleVersion
            _take_over(testee, profile)
            testee.updated_at = uow.now
            await uow.testees.save(testee)
            await uow.audit.add("testee.replaced", "testee", testee.id, actor=actor)
            await uow.commit("testee.replace")
        return testee

    async def erase(
        self, tenant_id: UUID, ref: TesteeRef, *, actor: str, version: int | None = None
    ) -> Testee:
        """Forgets who the testee is and terminates what they follow; counts stay. Repeating it is a success.

        Raises:
            TesteeAbsent, StaleVersion
        """
        async with self._uow(tenant_id) as uow:
            known = await found_testee(uow, ref)
            live = [
                enrollment
                for enrollment_id in await uow.enrollments.live_of_testee(known.id)
                if (enrollment := await uow.enrollments.get(enrollment_id)) is not None
            ]
            # Plans are locked before the testee, as everywhere, so that an edit or enrollment waits its turn.
            for plan_id in sorted({enrollment.plan_id for enrollment in live}):
                await found_plan(uow, plan_id, Lock.SHARE)
            testee = await found_testee(uow, known.id, Lock.UPDATE)
            if version is not None and testee.version != version:
                raise StaleVersion
            if set(await uow.enrollments.live_of_testee(known.id)) - {e.id for e in live}:
                raise StaleVersion
            for enrollment in live:
                await terminate_enrollment(uow, enrollment.id, "testee_erased", actor=actor)
            if testee.erase(uow.now):
                await uow.testees.save(testee)
                await uow.testees.forget_answers(testee.id)
                await uow.events.add(testee.recorded)
                detail = {"enrollments": len(live)}
                await uow.audit.add("testee.erased", "testee", testee.id, actor=actor, detail=detail)
                await uow.commit("testee.erase")
        return testee

    async def _check_plans(self, uow: PlanUnitOfWork, profile: Profile) -> None:
        for position, opt_out in enumerate(profile.opt_outs):
            if opt_out.plan_id is not None and await uow.plans.get(opt_out.plan_id) is None:
                raise UnknownOptOutPlan(position)


def _take_over(testee: Testee, profile: Profile) -> None:
    testee.external_id = profile.external_id
    testee.name = profile.name
    testee.timezone = profile.timezone
    testee.locale = profile.locale
    testee.contacts = profile.contacts
    testee.guardians = profile.guardians
    testee.opt_outs = profile.opt_outs
