"""Whoever changes something over HTTP leaves exactly one record, in the transaction of the change."""

import re
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from httpx import AsyncClient
from litestar import Litestar
from litestar.routes import HTTPRoute

from qs.container import Container

from .other_routes import call_ecron, call_executions, call_identity, call_jobs, call_messages
from .plan_routes import call_duties, call_plans, call_tasks, call_testees
from .recorder import Recorder
from .webhook_routes import call_webhooks

Calls = Callable[[Recorder], Awaitable[None]]

# Which calls are to reach which routes; the first that fits.
GROUPS: tuple[tuple[str, Calls], ...] = (
    (r"/plans?/tasks/(schedule|expire)$|/statistics/|/retention$", call_duties),
    (r"/plans/tasks/|/entries/", call_tasks),
    (r" /api/v1/testees", call_testees),
    (r" /api/v1/(plans|enrollments|scales)", call_plans),
    (r"/auth/|/oauth2/|/admin/", call_identity),
    (r"/events/|/notifications/|/templates/|/unsubscribe/", call_messages),
    (r" /api/v1/webhooks", call_webhooks),
    (r"/scheduler/executions/|/jobstatus/", call_executions),
    (r" /api/v1/(scheduler|secrets)/", call_jobs),
    (r" /api/ecron", call_ecron),
)

# By reason: the routes that leave another number of records than one.
COMPUTES_ONLY = {
    "POST /api/v1/plans/preview": 0,
    "POST /api/v1/scheduler/preview": 0,
    "POST /api/v1/templates/{key}/{locale}/preview": 0,
}
STORES_NOTHING = {"POST /oauth2/token": 0}
ONE_FOR_THE_CALL_AND_ONE_FOR_EACH_BATCH_IT_MOVED = {"POST /api/v1/plans/tasks/schedule": 3}
EXCEPTIONS = {**COMPUTES_ONLY, **STORES_NOTHING, **ONE_FOR_THE_CALL_AND_ONE_FOR_EACH_BATCH_IT_MOVED}

# A link is a credential: who reads it is told of as if they had changed something.
READS_THAT_ARE_RECORDED = {"GET /api/v1/plans/tasks/{task_id}/entry"}


def mutating_routes(app: Litestar) -> set[str]:
    """Those of the API; the pages change what they change by asking it."""
    return {
        f"{method} {route.path_format}"
        for route in app.routes
        if isinstance(route, HTTPRoute) and not route.path_format.startswith("/dashboard")
        for handler in route.route_handlers
        for method in handler.http_methods - {"GET", "HEAD", "OPTIONS"}
    }


def group_of(route: str) -> Calls | None:
    return next((calls for pattern, calls in GROUPS if re.search(pattern, route)), None)


def test_every_route_that_may_change_something_is_called(app: Litestar) -> None:
    assert {route for route in mutating_routes(app) if group_of(route) is None} == set()


@pytest.mark.parametrize("calls", [calls for _, calls in GROUPS], ids=lambda calls: calls.__name__[5:])
async def test_a_call_that_changes_something_leaves_exactly_one_record(
    app: Litestar, api: AsyncClient, container: Container, truth: asyncpg.Connection, calls: Calls
) -> None:
    recorder = Recorder(api, container, truth)

    await calls(recorder)

    left = {route: len(actions) for route, actions in recorder.records.items()}
    assert left == {route: EXCEPTIONS.get(route, 1) for route in left}, recorder.records
    called = recorder.records.keys() - READS_THAT_ARE_RECORDED
    assert called == {route for route in mutating_routes(app) if group_of(route) is calls}
