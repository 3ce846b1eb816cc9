"""How a request says whose figures it asks for, and of which dates."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Meta

from qs.application.plan.reading import PlanReading
from qs.domain.kernel.errors import Absent, Invalid, Problem
from qs.domain.statistics.errors import NothingCounted
from qs.domain.statistics.metrics import Dimension
from qs.interface.rest.plan.references import plan_named, testee_named

Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=300,
        description="The id of a plan, the code of a scale, or of a testee the id, or `ext:` and an external id.",
        examples=["PHQ-9"],
    ),
]
From = Annotated[
    date | None,
    QueryParameter(name="from", description="The first date; thirty dates in all where it is left out."),
]
To = Annotated[date, Meta(description="The last date; today where it is left out.", examples=["2026-05-31"])]


async def key_named(people: PlanReading, dimension: Dimension, key: str | None, tenant_id: UUID) -> str:
    """The key of the figures. Raises Invalid where one is missing, NothingCounted where it can be nobody's."""
    if dimension is Dimension.TENANT:
        return str(tenant_id) if key is None else key
    if key is None:
        raise Invalid([Problem("/key", f"is missing; say which {dimension}")])
    if dimension is Dimension.TESTEE:
        return await testee_key(people, tenant_id, key)
    return str(counted_plan(key)) if dimension is Dimension.PLAN else key


def counted_plan(text: str) -> UUID:
    """Raises NothingCounted for text that is no id, as for an id that nothing has."""
    try:
        return plan_named(text)
    except Absent as error:
        raise NothingCounted from error


async def testee_key(people: PlanReading, tenant_id: UUID, text: str) -> str:
    """The id of the testee. Raises NothingCounted."""
    try:
        named = testee_named(text)
        # Who was erased is found by the id alone, and what was counted of them stays.
        return str(named) if isinstance(named, UUID) else str((await people.testee(tenant_id, named)).id)
    except Absent as error:
        raise NothingCounted from error
