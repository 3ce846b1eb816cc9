"""What a handler says it reads, worked out once from its signature and its options."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import msgspec
from litestar.enums import ParamType, RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import BodyKwarg, ParameterKwarg
from litestar.types import Empty
from litestar.typing import FieldDefinition
from msgspec import NODEFAULT, Struct

from qs.interface.rest.guards import is_public

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Declared:
    """What one handler reads.

    Of the query: a Struct of its parameters, which of them are instants and which may repeat, whether any is required,
    whether unknown ones pass (and any body where none is read). Of the body: its JSON type, if it may be left out, the
    media types, and whether the handler reads it by itself.
    """

    query: type[Struct]
    instants: frozenset[str]
    repeatable: frozenset[str]
    required: bool
    loose: bool
    body: Any
    body_optional: bool
    consumes: tuple[str, ...]
    reads_itself: bool
    public: bool


def declared_by(handler: HTTPRouteHandler, path_parameters: Iterable[str] = ()) -> Declared:
    """What the handler and the dependencies it asks for declare."""
    parameters = list(_query_parameters(handler, frozenset(path_parameters)))
    data = handler.parsed_fn_signature.parameters.get("data")
    media = _media_type(data)
    consumes = handler.opt.get("consumes")
    return Declared(
        query=msgspec.defstruct(
            "Query",
            [
                (f"f{n}", each.raw, NODEFAULT if _is_required(each) else None)
                for n, (_, each) in enumerate(parameters)
            ],
            rename={f"f{n}": name for n, (name, _) in enumerate(parameters)},
            kw_only=True,
            forbid_unknown_fields=True,
        ),
        instants=frozenset(name for name, each in parameters if datetime in _types(each.raw)),
        repeatable=frozenset(name for name, each in parameters if each.is_non_string_sequence),
        required=any(_is_required(each) for _, each in parameters),
        loose=bool(handler.opt.get("loose_query")) or "OPTIONS" in handler.http_methods,
        body=data.raw if data is not None and media == JSON else None,
        body_optional=data is not None and data.has_default,
        consumes=tuple(consumes or (media,)),
        reads_itself=consumes is not None or media != JSON,
        public=is_public(handler),
    )


def _media_type(data: FieldDefinition | None) -> str:
    kwarg = data.kwarg_definition if data is not None else None
    media = kwarg.media_type if isinstance(kwarg, BodyKwarg) else JSON
    return str(media.value if isinstance(media, RequestEncodingType) else media)


def _query_parameters(
    handler: HTTPRouteHandler, path_parameters: frozenset[str]
) -> Iterator[tuple[str, FieldDefinition]]:
    """(name, field) of every query parameter of the handler and, recursively, of the dependencies it uses."""
    dependencies = handler.resolve_dependencies()
    pending = [handler.parsed_fn_signature.parameters]
    seen: set[str] = set()
    while pending:
        for field_name, field in pending.pop().items():
            if field_name in seen:
                continue
            seen.add(field_name)
            if field_name in dependencies:
                pending.append(dependencies[field_name].parsed_fn_signature.parameters)
            elif _is_query(field) and field_name not in path_parameters:
                yield getattr(field.kwarg_definition, "name", None) or field_name, field


def _is_query(field: FieldDefinition) -> bool:
    kwarg = field.kwarg_definition
    return isinstance(kwarg, ParameterKwarg) and kwarg.param_type == ParamType.QUERY


def _types(annotation: Any) -> Iterator[Any]:
    """The annotation and every type it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _types(part)


def _is_required(field: FieldDefinition) -> bool:
    return field.default is Empty
