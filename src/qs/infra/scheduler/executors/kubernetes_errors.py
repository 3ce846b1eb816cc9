"""What can go wrong between qs and an API server, by what can be done about it."""

from collections.abc import Mapping
from typing import Any

from qs.domain.kernel.errors import QsError

TOO_MANY = 429
_PASSING = frozenset({408, TOO_MANY, 500, 502, 503, 504})


class KubernetesUnusable(QsError):
    """The settings lead to no API server that may be spoken to."""

    code = "kubernetes.unusable"

    def __init__(self, cause: str) -> None:
        super().__init__(f"the Kubernetes API cannot be used: {cause}")


class KubernetesAway(QsError):
    """The API server does not answer, or not now; ``retry_after`` is what it asked for, in seconds."""

    code = "kubernetes.away"

    def __init__(self, cause: str, *, retry_after: float | None = None) -> None:
        self.cause = cause
        self.retry_after = retry_after
        super().__init__(f"the Kubernetes API does not answer ({cause}); qs goes on trying")


class KubernetesRefused(QsError):
    """The API server has answered, and says no.

    ``reason`` is its own word for it (``AlreadyExists``); ``fields`` are the paths it names as wrong. Its message is not
    repeated, since it may quote what was sent.
    """

    code = "kubernetes.refused"

    def __init__(
        self, status: int, reason: str = "", *, fields: tuple[str, ...] = (), quota: bool = False
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.quota = quota
        super().__init__(f"the Kubernetes API said {status} {reason}".rstrip())


def failure(status: int, retry_after: str | None, document: Mapping[str, Any]) -> QsError:
    """What an answer other than a success means; ``document`` is its Status, as far as it is one."""
    reason = str(document.get("reason") or "")[:64]
    details = document.get("details") or {}
    # ServerTimeout and a quota that was counted by two at once are the server's word for "again, please".
    if status in _PASSING or reason in ("ServerTimeout", "Timeout") or _was_raced(status, document):
        seconds = str(retry_after or details.get("retryAfterSeconds"))
        wait = float(seconds) if seconds.isdecimal() else None
        return KubernetesAway(f"{status} {reason}".rstrip(), retry_after=wait)
    fields = tuple(
        str(cause.get("field"))[:200] for cause in details.get("causes") or () if cause.get("field")
    )
    message = str(document.get("message") or "")
    return KubernetesRefused(status, reason, fields=fields[:10], quota="exceeded quota" in message)


def _was_raced(status: int, document: Mapping[str, Any]) -> bool:
    return status == 409 and "resourcequotas" in str(document.get("details", {}).get("kind", ""))
