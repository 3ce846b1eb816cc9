"""``If-Match`` on plans and testees: the version the caller saw, or 412."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Request

from qs.application.kernel.preconditions import PreconditionFailed
from qs.domain.plan.errors import StaleVersion
from qs.interface.rest.etags import expected_version


@contextmanager
def under_if_match(request: Request[Any, Any, Any]) -> Iterator[int | None]:
    """The version that ``If-Match`` names, None where any will do.

    Raises:
        PreconditionFailed: the header names no version of ours, or the change in the block met another one.
    """
    version = expected_version(request)
    try:
        yield version
    except StaleVersion as error:
        if version is None:
            raise
        raise PreconditionFailed from error
