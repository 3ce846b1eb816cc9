"""Which role allows what: the one table of it, to look at."""

from typing import Any

from litestar import Request, Response, get

from qs.interface.dashboard.administration.users import ADMIN
from qs.interface.dashboard.asking import Api
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import reader_of


@get("/administration/roles", opt=ADMIN)
async def roles_page(request: Request[Any, Any, Any]) -> Response[Any]:
    known = await Api(request, reader_of(request).language).get("/admin/roles")
    return render(request, "administration/roles.html", roles=known["roles"], scopes=known["scopes"])
