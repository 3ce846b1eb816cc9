"""Stops and starts timed firing."""

from uuid import UUID

from qs.application.scheduler.job_ports import JobUnitOfWorkFactory, Wake


class JobSwitching:
    """Stops and starts the clock of a tenant's jobs, or everybody's, until it is turned again; persisted."""

    def __init__(self, unit_of_work: JobUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def turn(self, tenant_id: UUID, firing: bool, *, actor: str) -> bool:
        """False when it was so already. The platform's switch is everybody's and the duties'."""
        async with self._unit_of_work(tenant_id) as uow:
            turned = await uow.switch.turn(firing, actor)
            if turned:
                await uow.audit.add(
                    "scheduler.start" if firing else "scheduler.stop", "scheduler", None, actor=actor
                )
                await uow.wake(Wake.JOBS)
                await uow.commit("scheduler.turn")
        return turned
