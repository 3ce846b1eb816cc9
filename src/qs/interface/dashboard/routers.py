"""Every page and where it is: one router under ``/dashboard``, behind the session's cookie."""

from litestar import Response, Router, get
from litestar.types import ControllerRouterHandler

from qs.interface.dashboard.assets import asset
from qs.interface.dashboard.failures import tell
from qs.interface.dashboard.ledgers import ledger_pages
from qs.interface.dashboard.live import live
from qs.interface.dashboard.pages import HOME, go_to
from qs.interface.dashboard.people import people_pages
from qs.interface.dashboard.plans import plan_pages
from qs.interface.dashboard.scheduler import scheduler_pages
from qs.interface.dashboard.sessions import SessionCookie
from qs.interface.dashboard.signing_in import set_likings, sign_in, sign_in_page, sign_out
from qs.interface.dashboard.statistics import statistics_pages
from qs.interface.dashboard.today import today
from qs.interface.rest.guards import AuthenticationMiddleware


@get("/", opt={"public": True, "loose_query": True}, sync_to_thread=False)
def home() -> Response[None]:
    return go_to(f"{HOME}/today")


def dashboard_routers() -> list[ControllerRouterHandler]:
    """What ``create_app`` serves for people."""
    return [
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
                today,
                *plan_pages,
                *people_pages,
                *scheduler_pages,
                *statistics_pages,
                *ledger_pages,
            ],
            middleware=[SessionCookie, AuthenticationMiddleware],
            exception_handlers={Exception: tell},
            include_in_schema=False,
        )
    ]
