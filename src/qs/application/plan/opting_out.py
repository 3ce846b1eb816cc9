"""Stopping messages by the link that came with one: whoever holds it may; nothing else is asked."""

from dataclasses import dataclass

from qs.application.kernel.opt_out_links import OptOutLinks, OptOutWish
from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.domain.kernel.errors import Absent
from qs.domain.plan.testee import OptOut, Testee


class OptOutLinkAbsent(Absent):
    code = "opt_out.absent"
    sentence = "this link stops no messages; open the one in the newest message, or ask to be left alone"


@dataclass(frozen=True, slots=True)
class Stoppable:
    """What the link is about: ``channel``, for one plan or for all."""

    channel: str
    one_plan: bool


class OptingOut:
    """Forged, malformed and unknown links all answer OptOutLinkAbsent."""

    def __init__(self, uow: PlanUnitOfWorkFactory, links: OptOutLinks) -> None:
        self._uow = uow
        self._links = links

    async def show(self, token: str) -> Stoppable:
        """What the link would stop; changes nothing. Raises OptOutLinkAbsent."""
        wish = self._read(token)
        async with self._uow(wish.tenant_id) as uow:
            await _testee_of(uow, wish)
        return Stoppable(wish.channel, wish.plan_id is not None)

    async def opt_out(self, token: str, *, everywhere: bool) -> Stoppable:
        """No more messages on the link's channel, of its plan or of every one; repeating it is a success.

        Somebody who was erased gets none anyway.

        Raises:
            OptOutLinkAbsent
        """
        wish = self._read(token)
        plan_id = None if everywhere else wish.plan_id
        async with self._uow(wish.tenant_id) as uow:
            testee = await _testee_of(uow, wish, Lock.UPDATE)
            if testee.erased_at is None and testee.opt_out(OptOut(wish.channel, plan_id)):
                testee.updated_at = uow.now
                await uow.testees.save(testee)
                detail = {"channel": wish.channel, "plan_id": None if plan_id is None else str(plan_id)}
                actor = f"testee:{testee.id}"
                await uow.audit.add("testee.opted_out", "testee", testee.id, actor=actor, detail=detail)
                await uow.commit("testee.opt_out")
        return Stoppable(wish.channel, plan_id is not None)

    def _read(self, token: str) -> OptOutWish:
        wish = self._links.read(token)
        if wish is None:
            raise OptOutLinkAbsent
        return wish


async def _testee_of(uow: PlanUnitOfWork, wish: OptOutWish, lock: Lock = Lock.NONE) -> Testee:
    testee = await uow.testees.get(wish.testee_id, lock)
    if testee is None:
        raise OptOutLinkAbsent
    return testee
