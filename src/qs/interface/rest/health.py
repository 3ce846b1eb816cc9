"""``/health/alive`` says that the process runs, ``/health/ready`` whether it should be sent work."""

import asyncio
from collections.abc import Iterable
from typing import Any

from litestar import Request, Response, Router, get
from msgspec import Struct

from qs.application.kernel.readiness import Check, NotReady
from qs.domain.kernel.errors import Problem, Unavailable
from qs.interface.rest.envelope import Success, success

PROBE_SECONDS = 1.0


class Readiness(Struct):
    """``status`` is ``ok`` or ``degraded``; ``checks`` names every check, with ``ok`` or what is wrong."""

    status: str
    checks: dict[str, str]


class Alive(Struct):
    status: str


_ALIVE = success(Alive("ok"))


class ProcessNotReady(Unavailable):
    """Something essential is missing; ``problems`` names it."""

    code = "not_ready"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        names = ", ".join(problem.pointer.lstrip("/") for problem in problems)
        super().__init__(f"{names} not ready, so this process takes no work; see errors for what to do")


@get("/alive", opt={"public": True})
async def alive() -> Response[Success[Alive]]:
    """The process runs. Costs nothing and asks nobody."""
    return _ALIVE


@get("/ready", opt={"public": True})
async def ready(request: Request[Any, Any, Any]) -> Response[Success[Readiness]]:
    """What this process needs answers: `ok`, or `degraded` when only some things have to wait."""
    if not request.app.state.ready:
        raise ProcessNotReady((Problem("/process", "is shutting down; send work elsewhere"),))
    checks: tuple[Check, ...] = tuple(request.app.state.container.readiness_checks())
    faults = await find_faults(checks)
    missing = tuple(
        Problem(f"/{check.name}", faults[check.name])
        for check in checks
        if check.essential and check.name in faults
    )
    if missing:
        raise ProcessNotReady(missing)
    states = {check.name: faults.get(check.name, "ok") for check in checks}
    return success(Readiness("degraded" if faults else "ok", states))


async def find_faults(checks: Iterable[Check]) -> dict[str, str]:
    """By check, what is wrong; all are asked at once and each is given a second."""
    checks = tuple(checks)
    found = await asyncio.gather(*(_fault(check) for check in checks))
    return {check.name: fault for check, fault in zip(checks, found, strict=True) if fault is not None}


async def _fault(check: Check) -> str | None:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await check.probe()
    except NotReady as error:
        return str(error)
    except TimeoutError:
        return f"did not answer within {PROBE_SECONDS:g} s"
    except Exception:  # noqa: BLE001 - whatever it was, it is away; its words may name hosts and logins
        return "does not answer"
    return None


health_router = Router("/health", route_handlers=[alive, ready], tags=["health"])
