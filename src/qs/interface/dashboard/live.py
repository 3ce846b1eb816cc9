"""Pages that follow what happens: server-sent events with those parts of a page that changed.

::

    event: part                          a part of the page, by the name it has in the template
    data: {"name": "counts", "html": "…"}

    event: fresh                         what is shown is true now; also a sign of life where nothing changes
    data: {}

    event: stale                         the page cannot be answered at the moment, so what is shown may be old
    data: {}

    event: over                          nobody is signed in here any more; open the page again
    data: {}

A stream asks for its page as the browser would, every few seconds, and sends on what differs: so it knows nothing of any
page, and shows nothing that the page would not.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.response import Stream

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.inside import call_inside
from qs.interface.dashboard.pages import HOME, LIVE
from qs.interface.dashboard.signing_in import SIGNED_IN
from qs.interface.rest.scheduler.following import HEARTBEAT_S, Followers, TooManyFollowers

EVERY_S = 3.0
# Then the browser asks anew, with a cookie that may have changed.
_LONGEST_S = 300.0
_LONGEST_ADDRESS = 2000
WATCHERS = Followers()
_KEPT = (b"cookie", b"accept-language", b"host")


@get("/live", opt={**SIGNED_IN, "loose_query": True, "live": True})
async def live(request: Request[Any, Any, Any]) -> Response[Any]:
    """``?page=`` is the page's address, on this site."""
    wanted = request.query_params.get("page", "")
    path = wanted.partition("?")[0]
    if len(wanted) > _LONGEST_ADDRESS or not path.startswith(f"{HOME}/") or path == f"{HOME}/live":
        raise Absent("there is no such page, so nothing can be followed; ask for one under /dashboard/")
    WATCHERS.refuse_more()
    return Stream(
        _events(request, wanted),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request[Any, Any, Any], wanted: str) -> AsyncIterator[bytes]:
    try:
        with WATCHERS:
            async for event in _changes(request, wanted):
                yield event
    except TooManyFollowers:
        # Others came in between; the browser asks again by itself.
        return


async def _changes(request: Request[Any, Any, Any], wanted: str) -> AsyncIterator[bytes]:
    # At once, so that the browser knows it is heard; also how soon it asks again.
    yield b"retry: 2000\n: following\n\n"
    shown: dict[str, str] | None = None
    is_fresh: bool | None = None
    began = heard = time.monotonic()
    draining: asyncio.Event = request.app.state.draining
    while time.monotonic() - began < _LONGEST_S and not draining.is_set():
        asked = time.monotonic()
        status, parts = await _parts(request, wanted)
        took = time.monotonic() - asked
        if status in (401, 403, 404):
            yield b"event: over\ndata: {}\n\n"
            return
        if status == 200:
            # The first time all are sent: the page may be older than this stream.
            for name, html in parts.items():
                if shown is None or shown.get(name) != html:
                    heard = time.monotonic()
                    yield b"event: part\ndata: %s\n\n" % msgspec.json.encode({"name": name, "html": html})
            shown = parts
        if is_fresh is not (status == 200) or time.monotonic() - heard >= HEARTBEAT_S:
            is_fresh = status == 200
            heard = time.monotonic()
            yield b"event: %s\ndata: {}\n\n" % (b"fresh" if is_fresh else b"stale")
        # However many look, and however long their pages take, half of the time is left for everything else.
        await _wait(draining, max(EVERY_S, 2 * took * len(WATCHERS)))


async def _wait(draining: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(draining.wait(), seconds)
    except TimeoutError:
        return


async def _parts(request: Request[Any, Any, Any], wanted: str) -> tuple[int, dict[str, str]]:
    path, _, query = wanted.partition("?")
    kept = [each for each in request.scope["headers"] if each[0] in _KEPT]
    status, _, body = await call_inside(request.scope, "GET", path, query, [*kept, (LIVE.encode(), b"1")])
    return status, msgspec.json.decode(body, type=dict[str, str]) if status == 200 else {}
