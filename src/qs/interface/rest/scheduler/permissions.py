"""Who may do what beyond the scope of a route: kinds of target have scopes of their own, and some acts concern everybody."""

from collections.abc import Callable, Iterable

from qs.application.scheduler.chains import Start
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Forbidden
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.rest.guards import TooNarrow

READ = "scheduler:read"
WRITE = "scheduler:write"
RUN = "scheduler:run"
# The platform's own accounts use the same routes, on the tenant that is reserved for the platform.
READING = {"scope": READ, "platform": True}
WRITING = {"scope": WRITE, "platform": True}
RUNNING = {"scope": RUN, "platform": True}


# What runs on the operator's own machines: who starts it needs the scope, as does who defines it.
_STARTED_WITH = frozenset({"jobs:command", "jobs:kubernetes"})


class StartTooNarrow(TooNarrow):
    """A job that the caller may not start would be started, at once or by a chain."""

    def __init__(self, start: Start, scope: str) -> None:
        way_out = "ask an administrator for a role that has it"
        who = f"the job {start.job!r}"
        if start.field is not None:
            who = f"{start.field} of the job {start.begins_at!r} leads to {who}, which"
            way_out = f"take it out of {start.field}, or {way_out}"
        super().__init__(
            (scope,),
            f"{who} is started only with the scope {scope}, which the caller does not hold; {way_out}",
        )


class ConcernsEverybody(Forbidden):
    code = "node.concerns_everybody"
    sentence = (
        "a node works for every tenant, so a tenant cannot drain it; use a platform account with scheduler:write, "
        "or an administrator of the default tenant"
    )


def require_kinds(caller: Principal, scopes: Iterable[str | None]) -> None:
    """Raises TooNarrow naming a scope that the target of a job needs and the caller does not hold."""
    for scope in sorted({scope for scope in scopes if scope is not None}):
        if not caller.may(scope):
            raise TooNarrow((scope,))


def require_starts(caller: Principal, starts: Iterable[Start]) -> None:
    """Raises StartTooNarrow naming the first job that is started only with a scope that the caller does not hold."""
    for start in starts:
        if start.scope in _STARTED_WITH and not caller.may(start.scope):
            raise StartTooNarrow(start, start.scope)


def acts_for_installation(caller: Principal) -> bool:
    """Whether the caller speaks for all tenants."""
    return caller.acts_for_installation


def sees_machines(caller: Principal) -> bool:
    """Whether the caller may know on which machines qs runs: who acts for the installation, and its operators."""
    return acts_for_installation(caller) or (caller.tenant_id == DEFAULT_TENANT and caller.may(WRITE))


def shown_process(caller: Principal) -> Callable[[str], str]:
    """How the caller is told which process works: by its whole name, or without its machine."""
    return str if sees_machines(caller) else without_machine


def without_machine(process: str) -> str:
    """The name of a process, such as ``host:pid:random`` or ``role@host:pid:random``, without its host and pid."""
    role, at, rest = process.rpartition("@")
    return f"{role}{at}{rest.rpartition(':')[2]}"
