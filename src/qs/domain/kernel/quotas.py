"""How much of something a tenant may have."""

from enum import StrEnum

from qs.domain.kernel.errors import Refused

MOST = 1_000_000_000
"""The highest limit that can be set."""


class Quota(StrEnum):
    """What is counted: testees that are not erased, plans that are active, jobs whoever wrote them down."""

    TESTEES = "max_testees"
    ACTIVE_PLANS = "max_active_plans"
    JOBS = "max_jobs"


_FULL = {
    Quota.TESTEES: ("testees", "erase testees who are not followed any more"),
    Quota.ACTIVE_PLANS: ("active plans", "finish, cancel or pause a plan"),
    Quota.JOBS: ("jobs", "delete a job"),
}


class QuotaReached(Refused):
    """One more would be more than the tenant may have."""

    code = "quota.reached"

    def __init__(self, quota: Quota, limit: int) -> None:
        self.quota = quota
        self.limit = limit
        what, way_out = _FULL[quota]
        super().__init__(
            f"this tenant may have {limit} {what} ({quota.value}) and there is no room for more, so nothing was "
            f"created; {way_out}, or ask an administrator of the default tenant for a higher quota"
        )
