"""The style and the scripts of the pages: our own, served from the package under a name that changes with them."""

from functools import cache
from hashlib import sha256
from importlib.resources import files

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@get("/assets/{version:str}/{name:str}", sync_to_thread=False, media_type="text/plain", opt={"public": True})
def asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    found = _assets().get(name)
    if found is None:
        raise NotFoundException
    # A page of an older or newer process asks for another version: it gets this one, which nothing may keep.
    is_this = version == found[0]
    return Response(
        found[1],
        media_type=_TYPES[name.rpartition(".")[2]],
        headers={"Cache-Control": _FOR_EVER if is_this else "no-store"},
    )


def asset_url(name: str) -> str:
    """Where a page finds it."""
    return f"/dashboard/assets/{_assets()[name][0]}/{name}"


@cache
def _assets() -> dict[str, tuple[str, bytes]]:
    """By name: the beginning of its SHA-256, and what it holds."""
    folder = files("qs.interface.dashboard").joinpath("assets")
    read = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES
    }
    # Modules import each other by relative names, so all of them share one version.
    version = sha256(b"".join(content for _, content in sorted(read.items()))).hexdigest()[:16]
    return {name: (version, content) for name, content in read.items()}
