"""Whose figures a verb of `qs stats` is about."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from qs.domain.statistics.metrics import Dimension
from qs.interface.cli.output import misuse
from qs.interface.cli.tenancy import read_id
from qs.interface.rest.plan.references import testee_named

if TYPE_CHECKING:
    from qs.container import Container


class About(StrEnum):
    """The words for it; ``system`` is all of the tenant."""

    SYSTEM = "system"
    SCALE = "scale"
    TESTEE = "testee"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Subject:
    """A dimension and a key of the statistics, and what a title may call them: never a testee's name."""

    dimension: Dimension
    key: str
    title: str

    @property
    def plan_id(self) -> UUID:
        assert self.dimension is Dimension.PLAN
        return UUID(self.key)


def check(about: About, name: str | None) -> None:
    """Ends the verb as misuse where a name is missing, is one too many, or cannot be a plan's id."""
    if about is About.SYSTEM:
        if name is not None:
            misuse(f"system is all of the tenant and takes no {name[:60]}; name a scale, a testee or a plan")
    elif name is None:
        misuse(f"say which {about}: `qs stats show {about} {'CODE' if about is About.SCALE else 'ID'}`")
    elif about is About.PLAN:
        read_id(name, "plan")


async def subject_of(container: "Container", tenant_id: UUID, about: About, name: str | None) -> Subject:
    """What was checked before, in the tenant. Raises PlanAbsent, TesteeAbsent."""
    if name is None:
        return Subject(Dimension.TENANT, str(tenant_id), "all plans")
    match about:
        case About.PLAN:
            plan = await container.plan_reading().plan(tenant_id, UUID(name))
            return Subject(Dimension.PLAN, str(plan.id), plan.terms.name)
        case About.TESTEE:
            named = testee_named(name)
            # Who was erased is found by the id alone, and what was counted of them stays.
            if not isinstance(named, UUID):
                named = (await container.plan_reading().testee(tenant_id, named)).id
            return Subject(Dimension.TESTEE, str(named), f"testee {named}")
        case _:
            return Subject(Dimension.SCALE, name, f"scale {name}")
