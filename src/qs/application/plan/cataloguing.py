"""The scale catalogue."""

from collections.abc import Sequence
from uuid import UUID

from qs.application.plan.ports import Page, PlanUnitOfWorkFactory
from qs.domain.plan.errors import ScaleAbsent, ScaleExists
from qs.domain.plan.scale import Scale


class Cataloguing:
    def __init__(self, uow: PlanUnitOfWorkFactory) -> None:
        self._uow = uow

    async def add(
        self,
        tenant_id: UUID,
        code: str,
        title: dict[str, str],
        version: str,
        published: bool,
        *,
        actor: str,
    ) -> Scale:
        """A new scale. Raises ScaleExists."""
        async with self._uow(tenant_id) as uow:
            scale = Scale(tenant_id, code, title, version, published, uow.now)
            if not await uow.scales.add(scale):
                raise ScaleExists
            await uow.audit.add("scale.added", "scale", None, actor=actor, detail={"code": code})
            await uow.commit("scale.add")
        return scale

    async def get(self, tenant_id: UUID, code: str) -> Scale:
        """Raises ScaleAbsent."""
        async with self._uow(tenant_id) as uow:
            scale = await uow.scales.get(code)
        if scale is None:
            raise ScaleAbsent
        return scale

    async def list(self, tenant_id: UUID, page: Page) -> tuple[Sequence[Scale], int]:
        async with self._uow(tenant_id) as uow:
            return await uow.scales.list(page)
