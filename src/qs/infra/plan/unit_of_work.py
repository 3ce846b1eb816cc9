"""The plan context's unit of work: its repositories on one connection."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.infra.plan.due import SqlDueTasks
from qs.infra.plan.enrollments import SqlEnrollmentRepository
from qs.infra.plan.plans import SqlPlanRepository
from qs.infra.plan.scales import SqlScaleRepository
from qs.infra.plan.tasks import SqlTaskRepository
from qs.infra.plan.testees import Cipher, SqlTesteeRepository
from qs.infra.postgres.quotas import SqlQuotas
from qs.infra.postgres.unit_of_work import SqlUnitOfWork


class SqlPlanUnitOfWork(SqlUnitOfWork):
    scales: SqlScaleRepository
    testees: SqlTesteeRepository
    plans: SqlPlanRepository
    enrollments: SqlEnrollmentRepository
    tasks: SqlTaskRepository
    due: SqlDueTasks
    quotas: SqlQuotas

    def __init__(self, engine: AsyncEngine, tenant_id: UUID, cipher: Cipher) -> None:
        super().__init__(engine, tenant_id)
        self._cipher = cipher

    def bind(self, connection: AsyncConnection) -> None:
        self.scales = SqlScaleRepository(connection, self.tenant_id)
        self.testees = SqlTesteeRepository(connection, self.tenant_id, self._cipher)
        self.plans = SqlPlanRepository(connection, self.tenant_id)
        self.enrollments = SqlEnrollmentRepository(connection, self.tenant_id)
        self.tasks = SqlTaskRepository(connection, self.tenant_id)
        self.due = SqlDueTasks(connection, self.tenant_id)
        self.quotas = SqlQuotas(connection, self.tenant_id)

    async def tenant_timezone(self) -> str | None:
        query = text("SELECT timezone FROM tenant WHERE id = :tenant")
        zone: str | None = await self.connection.scalar(query, {"tenant": self.tenant_id})
        return zone


class PlanUnitsOfWork:
    """Makes a unit of work for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def __call__(self, tenant_id: UUID) -> SqlPlanUnitOfWork:
        return SqlPlanUnitOfWork(self._engine, tenant_id, self._cipher)
