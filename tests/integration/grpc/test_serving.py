"""What a client finds out without a token: which services there are, and whether they are served."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from msgspec.structs import replace

from qs.interface.grpc.duties import SERVICE
from qs.interface.grpc.starting import GrpcAddressNotFree, grpc_beside
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.grpc.v1.plan_duties_pb2_grpc import PlanDutiesStub
from qs.interface.rest.app import create_app
from tests.integration.grpc.steps import error_of, failure
from tests.support.http import serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def reflected(address: str, metadata: Any) -> tuple[Any, Any]:
    """The services that the server tells of, and what a client that knows nothing but that gets from one of them."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = database.get_services()
        pool = descriptor_pool.DescriptorPool(database)
        method = pool.FindServiceByName(SERVICE).methods_by_name["SchedulePendingTasks"]
        call = channel.unary_unary(
            f"/{SERVICE}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        return services, call(message_factory.GetMessageClass(method.input_type)(), metadata=metadata)


async def test_a_client_that_knows_nothing_can_find_out_what_to_call(address, holding):
    metadata = await holding("tasks:schedule")

    services, report = await asyncio.to_thread(reflected, address, metadata)

    assert set(services) == {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert report.status == "done"


@pytest.mark.parametrize("method", ["NoSuchMethod", "schedulePendingTasks"])
async def test_a_method_that_is_not_there_is_unimplemented(channel, method):
    call = channel.unary_unary(f"/{SERVICE}/{method}")

    assert (await failure(call(b""))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_bytes_that_are_no_message_are_refused(channel, holding):
    call = channel.unary_unary(f"/{SERVICE}/ExpireTask")

    refused = await error_of(call(b"\xff\xff\xff", metadata=await holding("admin")))

    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "request.malformed")


async def test_health_says_what_is_served(channel):
    health = health_pb2_grpc.HealthStub(channel)

    for name in ("", SERVICE):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
    unknown = await error_of(health.Check(health_pb2.HealthCheckRequest(service="nothing")))
    assert unknown[0] is grpc.StatusCode.NOT_FOUND


async def test_who_watches_health_hears_of_the_end_and_does_not_hold_it_up(container, holding):
    app = create_app(container, beside=grpc_beside(container.settings()))
    metadata = await holding("admin")
    seen = []

    async with serving(app):
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.state.grpc_port}")
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        seen.append((await watch.read()).status)
        app.state.draining.set()
        seen.append((await watch.read()).status)
    late = await failure(
        PlanDutiesStub(channel).SchedulePendingTasks(
            messages.SchedulePendingTasksRequest(), metadata=metadata, timeout=20
        )
    )
    await channel.close()

    assert seen == [SERVING, NOT_SERVING]
    assert late.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_call_that_was_begun_is_finished_while_the_process_ends(container, holding, truth):
    app = create_app(container, beside=grpc_beside(container.settings()))
    metadata = await holding("admin")

    async with serving(app):
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.state.grpc_port}")
        duties = PlanDutiesStub(channel)
        # With a call behind it the channel is connected, and the next one is not a connection that comes too late.
        await duties.ExpireOverdueTasks(messages.ExpireOverdueTasksRequest(), metadata=metadata)
        async with truth.transaction():
            await truth.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
            call = asyncio.ensure_future(
                duties.SchedulePendingTasks(messages.SchedulePendingTasksRequest(), metadata=metadata)
            )
            while not await truth.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            app.state.draining.set()
            too_late = grpc.StatusCode.DEADLINE_EXCEEDED
            # One that came before the process knew waits for the lock, and must not wait for as long as there is.
            while too_late is grpc.StatusCode.DEADLINE_EXCEEDED:
                refused = await failure(
                    duties.SchedulePendingTasks(
                        messages.SchedulePendingTasksRequest(), metadata=metadata, timeout=0.5
                    )
                )
                too_late = refused.code()
        report = await call
    await channel.close()

    # The one that comes in the very moment of the end is cut off before it has begun.
    assert too_late in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert report.status == "done"


async def test_a_port_that_is_taken_stops_the_start(container, address, settings):
    taken = replace(settings, server=replace(settings.server, grpc_port=int(address.rpartition(":")[2])))
    container.settings.override(taken)
    app = create_app(container, beside=grpc_beside(taken))

    with pytest.raises(ExceptionGroup) as refused:
        async with serving(app):
            pass

    assert refused.group_contains(GrpcAddressNotFree, match="free the port")
