"""A whole request for each route, because examples of single fields do not add up to one that would be accepted."""

from typing import Any

from litestar.enums import RequestEncodingType
from litestar.openapi.spec.example import Example
from litestar.params import BodyKwarg


def a_body_like(**fields: Any) -> BodyKwarg:
    """Marks ``data`` as a JSON body that is documented with this example."""
    return BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(value=fields)])


SOME_ID = "0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968"
