"""How much a tenant has of what is counted against its quotas: testees and active plans."""

from dataclasses import dataclass
from uuid import UUID

from qs.application.plan.ports import PlanUnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class PlanHolding:
    """``testees`` that are not erased, ``active_plans`` that are neither paused nor over."""

    testees: int
    active_plans: int


class PlanHoldings:
    def __init__(self, unit_of_work: PlanUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def of(self, tenant_id: UUID) -> PlanHolding:
        """Counted as the quotas count."""
        async with self._unit_of_work(tenant_id) as uow:
            return PlanHolding(await uow.testees.count(), await uow.plans.count_active())
