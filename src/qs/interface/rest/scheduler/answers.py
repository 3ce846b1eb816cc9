"""How the answers of the scheduler are finished: their language, the address of the next page, a tag for changing."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response

from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import etag
from qs.interface.rest.languages import Language, preferred
from qs.settings import Settings

T = TypeVar("T")

BY_LANGUAGE = {"Vary": "Accept-Language"}


def language_of(request: Request[Any, Any, Any], settings: Settings) -> Language:
    """The language in which triggers are put into words for this caller."""
    default: Language = "zh" if settings.lang == "zh_CN" else "en"
    return preferred(request.headers.get("accept-language", ""), default)


def changeable(
    data: T, version: int, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[Success[T]]:
    """The answer with the ``ETag`` that ``If-Match`` takes.

    It is never 304: the version is that of the definition, and when a job runs next changes without it.
    """
    return success(data, status, {"ETag": etag(version), **BY_LANGUAGE, **(headers or {})})


def next_page(request: Request[Any, Any, Any], cursor: str) -> dict[str, str]:
    """The ``Link`` to what follows, with everything else as it was asked for (RFC 8288)."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    path = request.scope["raw_path"].decode("ascii")
    return {"Link": f'<{path}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'}
