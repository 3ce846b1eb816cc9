"""What the routes of ECron's clients read and answer: its shapes, bare."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct

from qs.application.scheduler.document_fields import Fields
from qs.application.scheduler.ecron import JOB_TYPES, MODES, read_notify
from qs.domain.kernel.errors import Invalid, Problem
from qs.interface.rest.scheduler.execution_dto import MOST_RESULT_BYTES, refuse_longer


def _raw(description: str, schema: dict[str, Any]) -> Meta:
    return Meta(description=description, extra_json_schema={"extra": schema})


_TEXT = {"type": ["string", "null"], "maxLength": 2000}
_MAP = {"type": ["object", "null"]}
_CONTEXT = {
    "type": "object",
    "properties": {
        "mode": {"type": "string", "enum": list(MODES)},
        "exec": {"type": "string", "maxLength": 2000, "description": "A URL, a listed command, an image."},
        "info": {
            "type": ["object", "null"],
            "properties": {
                "method": _TEXT,
                "headers": _MAP,
                "body": _MAP,
                "params": _MAP,
                "kubernetes": _MAP,
                "async": {"type": ["boolean", "null"], "description": "Its outcome is reported later."},
            },
        },
        "notify": {"type": ["object", "null"], "properties": {"webhook": _TEXT}},
        "begin_at": _TEXT,
        "end_at": _TEXT,
    },
}


class EcronJob(Struct, kw_only=True):
    """A job as ECron has it. What ECron sets by itself (ids, tenant, times) is ignored, and so is what it does not know."""

    job_id: Annotated[Any, _raw("Needed to run one at once.", _TEXT)] = UNSET
    job_name: Annotated[Any, _raw("Unique.", {"type": "string", "maxLength": 200})] = UNSET
    job_cron_time: Annotated[Any, _raw("Seconds first.", {"type": "string", "maxLength": 1000})] = UNSET
    job_type: Annotated[
        Any, _raw("When it runs.", {"type": ["string", "null"], "enum": [*JOB_TYPES, "", None]})
    ] = UNSET
    job_context: Annotated[Any, _raw("What it runs.", _CONTEXT)] = UNSET
    enabled: Annotated[Any, _raw("Whether it fires.", {"type": ["boolean", "null"]})] = UNSET
    remarks: Annotated[Any, _raw("For people.", _TEXT)] = UNSET

    def given(self) -> dict[str, Any]:
        """The fields that were sent, as they were sent."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not UNSET}


class EcronEnable(Struct, kw_only=True):
    """Either spelling."""

    enable: bool | None = None
    enabled: bool | None = None

    def wanted(self) -> bool:
        """Raises Invalid unless one of the two says it."""
        said = {value for value in (self.enable, self.enabled) if value is not None}
        if len(said) != 1:
            raise Invalid([Problem("/enable", "must be true or false, given once as enable or enabled")])
        return said.pop()


class EcronNotify(Struct, kw_only=True):
    webhook: Annotated[Any, _raw("Where results go; empty: nowhere.", _TEXT)] = None

    def document(self) -> dict[str, Any]:
        """The part of our document. Raises Invalid."""
        fields = Fields({"webhook": self.webhook})
        told = read_notify(fields)
        if fields.problems:
            raise Invalid(fields.problems)
        return told or {}


class EcronOutcome(Struct, kw_only=True):
    """How an execution ended; `execute_id` may be left out where the path names it."""

    execute_id: Annotated[str, Meta(max_length=64)] | None = None
    job_status: Literal["success", "failure", "interrupt", "abandon"]
    ext_info: dict[str, Any] | None = None

    def checked_info(self) -> dict[str, Any] | None:
        """Raises Invalid where it is too long."""
        refuse_longer("/ext_info", self.ext_info, MOST_RESULT_BYTES)
        return self.ext_info


class EcronCreated(Struct):
    job_id: str


class EcronTotal(Struct):
    """How many jobs there are, and the timestamp to page through them with."""

    total: int
    timestamp: str


class EcronFailed(Struct):
    """The ids for which it could not be done."""

    failed_job_id: list[str]


class EcronDone(Struct):
    """Nothing else to tell."""
