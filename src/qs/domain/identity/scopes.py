"""Scopes and the roles that bundle them: the one table of who may do what."""

from collections.abc import Iterable

from qs.domain.identity.errors import ScopeNotForPlatform, ScopeUnknown

SCOPES: dict[str, str] = {
    "plans:read": "read plans and enrollments",
    "plans:write": "create and change plans and enrollments",
    "tasks:read": "read tasks and explain them",
    "tasks:write": "open, expire, cancel, complete, re-issue and reschedule tasks",
    "tasks:schedule": "run the sweep, the expiry and, for the whole installation, retention; expire a task whose entry ran out",
    "entry:read": "read the link of an opened task",
    "testees:read": "read testees, with their contacts",
    "testees:write": "create, change and erase testees",
    "scales:read": "read the scale catalogue",
    "scales:write": "add scales to the catalogue",
    "statistics:read": "read statistics",
    "statistics:sync": "synchronise and validate statistics",
    "scheduler:read": "read jobs and executions",
    "scheduler:write": "create and change jobs",
    "scheduler:run": "run, cancel and retry jobs",
    "jobs:http": "define jobs that call over HTTP",
    "jobs:command": "define and start jobs that run commands",
    "jobs:kubernetes": "define and start jobs that run pods",
    "secrets:read": "list the secrets stored for jobs, never their values",
    "secrets:write": "store and delete secrets for jobs",
    "notifications:read": "read the delivery ledger and the alerts",
    "notifications:write": "replay deliveries",
    "templates:read": "read the texts of messages and preview them",
    "templates:write": "write the texts of messages",
    "webhooks:read": "read webhook endpoints and what they were sent",
    "webhooks:write": "create, change and try webhook endpoints, and send events to them again",
    "events:read": "read the event feed",
    "events:write": "publish events again",
    "audit:read": "read the audit log",
    "metrics:read": "read the metrics, which are numbers of all tenants and nobody's data",
    "admin": "everything",
}

_VIEWER = frozenset(
    {"plans:read", "tasks:read", "scales:read", "statistics:read", "scheduler:read", "notifications:read"}
)
_COORDINATOR = _VIEWER | {
    "plans:write",
    "tasks:write",
    "tasks:schedule",
    "entry:read",
    "testees:read",
    "testees:write",
    "scales:write",
    "notifications:write",
    "templates:read",
}
_OPERATOR = _VIEWER | {
    "tasks:schedule",
    "statistics:sync",
    "scheduler:write",
    "scheduler:run",
    "secrets:read",
    "notifications:write",
    "webhooks:read",
    "webhooks:write",
    "events:read",
    "events:write",
    "audit:read",
}

ROLES: dict[str, frozenset[str]] = {
    "viewer": _VIEWER,
    "coordinator": _COORDINATOR,
    "operator": _OPERATOR,
    "admin": frozenset({"admin"}),
    "service": frozenset({"tasks:schedule", "statistics:sync"}),
}

PLATFORM_SCOPES = frozenset(
    {
        "tasks:schedule",
        "statistics:sync",
        "scheduler:read",
        "scheduler:write",
        "scheduler:run",
        "metrics:read",
    }
)
"""All that a platform account may hold: the duties, the scheduler and the metrics, never a tenant's data."""


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """All scopes of the given roles together; an unknown role adds none."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def grantable(scopes: Iterable[str], *, platform: bool = False) -> frozenset[str]:
    """The same scopes, all of which an account of that kind may hold.

    Raises:
        ScopeUnknown: one of them does not exist.
        ScopeNotForPlatform: one of them is more than a platform account may hold.
    """
    wanted = frozenset(scopes)
    if unknown := wanted - SCOPES.keys():
        raise ScopeUnknown(unknown, SCOPES)
    if platform and (excess := wanted - PLATFORM_SCOPES):
        raise ScopeNotForPlatform(excess)
    return wanted
