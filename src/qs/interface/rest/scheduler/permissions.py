"""Who may do what beyond the scope of a route: kinds of target have scopes of their own, and some acts concern everybody."""

from collections.abc import Iterable

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


def acts_for_installation(caller: Principal) -> bool:
    """Whether the caller speaks for all tenants: a platform account, or an administrator of the tenant qs began with."""
    return caller.is_platform or (caller.tenant_id == DEFAULT_TENANT and caller.may("admin"))
