"""What a path or a query names: an id, or a testee's external id. Text that cannot be an id names nothing that exists."""

import re
from typing import Annotated
from uuid import UUID

from litestar.params import PathParameter
from msgspec import Meta

from qs.application.plan.finding import TesteeRef
from qs.domain.kernel.errors import Absent
from qs.domain.plan.errors import EnrollmentAbsent, PlanAbsent, TaskAbsent, TesteeAbsent

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_EXTERNAL = "ext:"
_LONGEST_EXTERNAL_ID = 200

PlanPath = Annotated[str, PathParameter(description="The id of a plan.", schema_extra={"format": "uuid"})]
EnrollmentPath = Annotated[
    str, PathParameter(description="The id of an enrollment.", schema_extra={"format": "uuid"})
]
TaskPath = Annotated[str, PathParameter(description="The id of a task.", schema_extra={"format": "uuid"})]
TesteePath = Annotated[str, PathParameter(description="The id of a testee, or `ext:` and an external id.")]

PlanQuery = Annotated[str, Meta(min_length=1, max_length=64, description="Only of the plan with this id.")]
TesteeQuery = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=_LONGEST_EXTERNAL_ID + len(_EXTERNAL),
        description="Only of this testee: an id, or `ext:` and an external id.",
    ),
]


def plan_named(text: str) -> UUID:
    """Raises PlanAbsent for text that is no UUID."""
    return _uuid(text, PlanAbsent)


def enrollment_named(text: str) -> UUID:
    """Raises EnrollmentAbsent for text that is no UUID."""
    return _uuid(text, EnrollmentAbsent)


def task_named(text: str) -> UUID:
    """Raises TaskAbsent for text that is no UUID."""
    return _uuid(text, TaskAbsent)


def testee_named(text: str) -> TesteeRef:
    """The testee's id, or their external id where the text begins with ``ext:``. Raises TesteeAbsent for other text."""
    if text.startswith(_EXTERNAL):
        external_id = text.removeprefix(_EXTERNAL)
        if not 1 <= len(external_id) <= _LONGEST_EXTERNAL_ID:
            raise TesteeAbsent
        return external_id
    return _uuid(text, TesteeAbsent)


def _uuid(text: str, absent: type[Absent]) -> UUID:
    if not _UUID.fullmatch(text):
        raise absent
    return UUID(text)
