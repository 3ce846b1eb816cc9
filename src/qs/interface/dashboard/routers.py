"""Every page and where it is: one router under ``/dashboard``, behind the session's cookie."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.types import ControllerRouterHandler

from qs.interface.dashboard.administration import administration_pages
from qs.interface.dashboard.assets import asset
from qs.interface.dashboard.failures import tell
from qs.interface.dashboard.ledgers import ledger_pages
from qs.interface.dashboard.live import live
from qs.interface.dashboard.lost import lost
from qs.interface.dashboard.pages import HOME, go_to
from qs.interface.dashboard.people import people_pages
from qs.interface.dashboard.plans import plan_pages
from qs.interface.dashboard.reader import reader_of
from qs.interface.dashboard.scheduler import scheduler_pages
from qs.interface.dashboard.sessions import SessionCookie
from qs.interface.dashboard.signing_in import set_likings, sign_in, sign_in_page, sign_out
from qs.interface.dashboard.statistics import statistics_pages
from qs.interface.dashboard.today import today
from qs.interface.dashboard.webhooks import webhook_pages
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.guards import AuthenticationMiddleware
from qs.settings import Settings


@get("/", opt={"public": True, "loose_query": True}, sync_to_thread=False)
def home() -> Response[None]:
    return go_to(f"{HOME}/today")


@get(
    "/administration",
    opt={"scope": ("admin", "scales:read", "templates:read"), "loose_query": True},
    sync_to_thread=False,
)
def administration(request: Request[Any, Any, Any]) -> Response[None]:
    """The first of its pages that the reader may open."""
    may_all = reader_of(request).may("admin")
    return go_to(f"{HOME}/administration/{'users' if may_all else 'scales'}")


@get(
    "/queue",
    opt={"public": True, "loose_query": True},
    dependencies={"settings": given("settings")},
    middleware=[AuthenticationMiddleware],
    include_in_schema=False,
    sync_to_thread=False,
)
def queue(settings: Given[Settings]) -> Response[None]:
    """Where installations of other systems have their page of queues."""
    if not (settings.feature.queue_dashboard and settings.feature.dashboard):
        raise NotFoundException
    return go_to(f"{HOME}/scheduler/queues")


def dashboard_routers() -> list[ControllerRouterHandler]:
    """What ``create_app`` serves for people."""
    return [
        queue,
        Router(
            HOME,
            route_handlers=[
                home,
                asset,
                sign_in_page,
                sign_in,
                sign_out,
                set_likings,
                live,
                lost,
                today,
                *plan_pages,
                *people_pages,
                *scheduler_pages,
                *statistics_pages,
                *ledger_pages,
                *webhook_pages,
                administration,
                *administration_pages,
            ],
            middleware=[SessionCookie, AuthenticationMiddleware],
            exception_handlers={Exception: tell},
            include_in_schema=False,
        ),
    ]
