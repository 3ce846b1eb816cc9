"""A malformed id answers exactly as an absent one.

litestar answers a path whose id is no UUID with a 404 of its own, before authentication and in other words than the
handler's. Such a path is routed with the nil UUID in that place instead, which no row has.
"""

from typing import Any
from uuid import UUID

from litestar import Litestar
from litestar.exceptions import NotFoundException
from litestar.types.internal_types import PathParameterDefinition

Component = str | PathParameterDefinition

_NIL = str(UUID(int=0))


def route_malformed_ids(app: Litestar) -> None:
    """Makes the application's router look again, with nil ids, before it finds nothing."""
    shapes = [tuple(route.path_components) for route in app.routes if any(map(_is_id, route.path_components))]
    find = app.asgi_router.handle_routing

    def find_again(path: str, method: Any) -> Any:
        try:
            return find(path=path, method=method)
        except NotFoundException:
            if (other := _with_nil(shapes, path)) is None:
                raise
            return find(path=other, method=method)

    app.asgi_router.handle_routing = find_again  # type: ignore[assignment]


def _with_nil(shapes: list[tuple[Component, ...]], path: str) -> str | None:
    segments = [segment for segment in path.split("/") if segment]
    for shape in shapes:
        if len(shape) == len(segments) and all(map(_fits, shape, segments)):
            return "/" + "/".join(map(_well_formed, shape, segments))
    return None


def _is_id(component: Component) -> bool:
    return isinstance(component, PathParameterDefinition) and component.type is UUID


def _fits(component: Component, segment: str) -> bool:
    return component == segment if isinstance(component, str) else True


def _well_formed(component: Component, segment: str) -> str:
    if not _is_id(component):
        return segment
    try:
        return str(UUID(segment))
    except ValueError:
        return _NIL
