"""How often somebody may call: which limit a route counts under, whom it counts, and what an answer says of it.

A route counts under ``reading`` or ``writing`` by its method unless it says otherwise by ``opt={"limit": …}``, where None
is no limit. Counted is the caller, or, as long as nobody is known, the address.
"""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.handlers import BaseRouteHandler

from qs.application.kernel.limiting import (
    MISSES,
    READING,
    WRITING,
    Limit,
    RateExceeded,
    RateLimits,
    Verdict,
)

ANSWERED = "rate_limit"
"""Where the request's scope holds the headers that its answer gets (middleware.py)."""

_BY_METHOD = {"GET": READING, "POST": WRITING, "PUT": WRITING, "PATCH": WRITING, "DELETE": WRITING}
# Whoever has one IPv6 address of a network has all of them.
_IPV6_NETWORK = 64


def limit_of(handler: BaseRouteHandler, method: str) -> str | None:
    """The name of the limit that calls of the route count under."""
    name: str | None = handler.opt.get("limit", _BY_METHOD.get(method))
    return name


async def hold_to_limit(scope: Any) -> None:
    """Counts the call, whose ``user`` is known by now where there is one.

    Raises:
        RateExceeded: the caller has called as often as they may.
    """
    limits: RateLimits = scope["litestar_app"].state.container.rate_limits()
    limit = limits.limit(limit_of(scope["route_handler"], scope["method"]))
    if limit is None:
        return
    verdict = await limits.spend(subject_of(scope), limit)
    scope[ANSWERED] = _headers(limit, verdict)
    if not verdict.allowed:
        raise RateExceeded(verdict.wait_s)


async def count_miss(request: Request[Any, Any, Any], limits: RateLimits, task_id: object) -> None:
    """Counts a link that opens nothing, for its address and for the task it names.

    A link that is good is never refused: whoever holds it must not suffer from those who guess.

    Raises:
        RateExceeded: either has missed as often as it may.
    """
    limit = limits.limit(MISSES)
    if limit is None:
        return
    scope: Any = request.scope
    verdicts = [await limits.spend(each, limit) for each in _missing(scope, task_id)]
    refused = [verdict for verdict in verdicts if not verdict.allowed]
    if refused:
        scope[ANSWERED] = _headers(limit, refused[0])
        raise RateExceeded(max(verdict.wait_s for verdict in refused))


def _missing(scope: Any, task_id: object) -> list[str]:
    address = _address(scope)
    try:
        return [address, f"task:{UUID(str(task_id))}"]
    except ValueError:
        return [address]


def subject_of(scope: Any) -> str:
    """Whom a call counts for: its ``user``, or the address of its ``client`` while nobody is known."""
    user = scope.get("user")
    return _address(scope) if user is None else f"{user.kind}:{user.home_tenant}:{user.id}"


def _address(scope: Any) -> str:
    client = scope.get("client")
    text = client[0] if client else ""
    try:
        address = ip_address(text)
    except ValueError:
        return f"address:{text}"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"address:{ip_network((address, _IPV6_NETWORK), strict=False)}"
    return f"address:{text}"


def _headers(limit: Limit, verdict: Verdict) -> tuple[tuple[bytes, bytes], ...]:
    """``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers, as structured fields)."""
    policy = f'"{limit.name}";q={limit.calls};w={limit.period_ms // 1000}'
    return (
        (b"ratelimit-policy", policy.encode()),
        (b"ratelimit", f'"{limit.name}";r={verdict.remaining};t={verdict.wait_s}'.encode()),
    )
