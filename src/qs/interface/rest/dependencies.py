"""How a handler comes by what it works with.

A service is named by its provider in the container and asked for by type::

    class PlanController(Controller):
        path = "/plans"
        dependencies = {"plans": given("plan_catalogue")}

        @get("/{plan_id:uuid}", opt={"scope": "plans:read"})
        async def show(self, plan_id: FromPath[UUID], plans: Given[PlanCatalogue]) -> Response[Success[PlanView]]:
            return success(PlanView.of(await plans.get(plan_id)))

A provider is looked up in ``app.state.container`` by a plain function: the DI library's own wiring would let a query
parameter of that name replace the service. ``create_app`` refuses to start over a name the container does not have.
"""

from typing import Any, TypeVar

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

T = TypeVar("T")

Given = NamedDependency[SkipValidation[T]]
"""A parameter that ``dependencies`` of the handler, its controller or its router provide under the same name."""


class Provided(Provide):
    """A litestar dependency that knows which provider of the container it asks."""

    __slots__ = ("provider",)

    def __init__(self, provider: str) -> None:
        def provide(request: Request[Any, Any, Any]) -> Any:
            return getattr(request.app.state.container, provider)()

        super().__init__(provide, sync_to_thread=False)
        self.provider = provider


def given(provider: str) -> Provided:
    """What the container's provider of that name makes; providers are Singletons, so this costs two look-ups."""
    return Provided(provider)
