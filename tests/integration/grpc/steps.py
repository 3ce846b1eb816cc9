"""How these tests read what gRPC answers."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from qs.interface.grpc.statuses import ERROR

Metadata = tuple[tuple[str, str], ...]
Caller = Callable[..., Awaitable[dict[str, str]]]

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def as_http(message: Any) -> Any:
    """The message as HTTP would show it, instants as such."""
    return with_instants(
        MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )


def with_instants(value: Any) -> Any:
    """JSON without its nulls, whose instants may be written with any number of digits."""
    if isinstance(value, dict):
        return {name: with_instants(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [with_instants(each) for each in value]
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return datetime.fromisoformat(value)
    return value


async def failure(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """How the call fails."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"it did not fail: {answer}")


async def error_of(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str | None]:
    """The status of a call that fails, and the code of ours that it names."""
    error = await failure(call)
    return error.code(), trailing(error, ERROR)


def trailing(error: grpc.aio.AioRpcError, name: str) -> Any:
    return dict(error.trailing_metadata() or ()).get(name)


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The google.rpc details beside the status, by the name of their type."""
    status = Status.FromString(trailing(error, "grpc-status-details-bin"))
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = {}
    for each in status.details:
        name = each.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        assert each.Unpack(found[name])
    return found
