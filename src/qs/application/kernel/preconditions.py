"""Changing a resource only while it is still what the caller saw."""

from qs.domain.kernel.errors import Refused


class PreconditionFailed(Refused):
    """Somebody changed the resource since the caller read it, or the caller named a version it never had."""

    code = "precondition.failed"
    sentence = "the resource is no longer the version If-Match names, so nothing was changed; read it again and decide anew"
