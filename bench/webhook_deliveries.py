"""How fast webhook deliveries reach a receiver that takes whatever comes, alone and beside others that take nothing."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec

from bench.harness import Case, Goal, Subject
from bench.processes import running
from bench.world import World
from qs.application.kernel.cloud_events import PublishedEvent, cloud_event
from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.events import TaskOpened
from qs.infra.postgres.ids import new_id
from qs.logs import configure_logging
from qs.settings import Settings
from qs.settings.sections import LogSettings, OutboundSettings

_SENT = "SELECT count(*) FROM webhook_delivery WHERE status = 'sent'"
_RECORDED = "SELECT count(*) FROM webhook_attempt WHERE outcome = 'sent'"
_LOOKED_EVERY_S = 0.01


async def delivering(world: World, deliveries: int) -> Case:
    """Queued deliveries of one endpoint to the end of all, each signed, recorded and durable.

    The bare client posts the same bodies with as many connections, unsigned, and remembers nothing. The receiver is a
    process of its own.
    """
    settings = _settings(world)
    at_once = settings.webhooks.per_endpoint
    url = await _receiver(world)
    bodies = list(_bodies(deliveries).values())
    await _seed(world, settings, {"fast": url}, deliveries)
    await world.keep()

    async def run_limit(number: int) -> int:
        done, waiting = 0, list(bodies)
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

            async def post() -> None:
                nonlocal done
                while waiting:
                    answer = await client.post(
                        url, content=waiting.pop(), headers={"content-type": "application/json"}
                    )
                    done += answer.is_success

            await asyncio.gather(*(post() for _ in range(at_once)))
        return done

    subjects = {
        "httpx, nothing else": Subject(run_limit, deliveries),
        "ours": _sending(world, settings, deliveries),
    }
    goals = [Goal("ours", 0.5, "httpx, nothing else")]
    notes = {"at once": at_once, "bytes each": len(bodies[0])}
    return Case("webhook deliveries", "deliveries", subjects, goals, notes)


async def beside_broken_ones(world: World, deliveries: int) -> Case:
    """The same for one endpoint alone, and while as much waits for one that hangs and for one that is away."""
    settings = _settings(world)
    urls = {"fast": await _receiver(world), "hangs": await _receiver(world, "hang")}
    await _seed(world, settings, urls | {"away": "http://127.0.0.1:1/"}, deliveries)
    await world.keep()
    only = "UPDATE webhook_endpoint SET enabled = name = 'fast', disabled_reason = CASE WHEN name <> 'fast' THEN 'manual'"
    only += " END, disabled_at = CASE WHEN name <> 'fast' THEN now() END"
    subjects = {
        "alone": _sending(world, settings, deliveries, only),
        "beside broken ones": _sending(world, settings, deliveries),
    }
    goals = [Goal("beside broken ones", 0.9, "alone")]
    return Case("webhook deliveries beside broken ones", "deliveries", subjects, goals)


def _sending(world: World, settings: Settings, deliveries: int, first: str | None = None) -> Subject:
    """Sends until so many are sent; ``first`` is a statement that is carried out before each round."""

    async def prepare(number: int) -> None:
        await world.restore()
        if first is not None:
            await world.admin.execute(first)

    async def run(number: int) -> int:
        container = build_container(settings)
        try:
            sending = container.webhook_sending()
            while (sent := await world.admin.fetchval(_SENT)) < deliveries:
                await sending.send_due()
                await asyncio.sleep(_LOOKED_EVERY_S)
            await sending.drain(timedelta(0))
        finally:
            await close(container)
        assert sent == await world.admin.fetchval(_RECORDED)
        return int(sent)

    return Subject(run, deliveries, prepare)


def _settings(world: World) -> Settings:
    configure_logging(LogSettings(path=world.home / "bench.log", console=False), "bench")
    return msgspec.structs.replace(
        world.container.settings(), outbound=OutboundSettings(allow_networks=("127.0.0.0/8",))
    )


async def _receiver(world: World, *how: str) -> str:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=1000)) as listener:
        command = [sys.executable, "-m", "bench.fast_receiver", str(listener.fileno()), *how]
        await world.stack.enter_async_context(running(command, world.environment(), listener.fileno()))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


async def _seed(world: World, settings: Settings, urls: Mapping[str, str], deliveries: int) -> None:
    """So many queued deliveries of each endpoint."""
    container = build_container(settings)
    try:
        for name, url in urls.items():
            made = await container.webhook_keeping().create(DEFAULT_TENANT, name, url, ["*"], actor="bench")
            bodies = _bodies(deliveries)
            await world.admin.copy_records_to_table(
                "webhook_message",
                records=[(DEFAULT_TENANT, event_id, body.decode()) for event_id, body in bodies.items()],
                columns=("tenant_id", "event_id", "body"),
            )
            await world.admin.copy_records_to_table(
                "webhook_delivery",
                records=[
                    (DEFAULT_TENANT, new_id(), made.endpoint.id, event_id, "TaskOpened", "queued")
                    for event_id in bodies
                ],
                columns=("tenant_id", "id", "endpoint_id", "event_id", "event_name", "status"),
            )
    finally:
        await close(container)
    await world.admin.execute("VACUUM ANALYZE webhook_delivery")


def _bodies(count: int) -> dict[UUID, bytes]:
    now = datetime.now(UTC)
    later = now + timedelta(days=7)
    bodies: dict[UUID, bytes] = {}
    for _ in range(count):
        event_id, who = new_id(), (new_id(), new_id(), new_id(), new_id(), "PHQ-9", 1)
        data = msgspec.json.encode(TaskOpened(*who, now, now, later, later, "Asia/Shanghai")).decode()
        event = PublishedEvent(
            event_id, DEFAULT_TENANT, "plan", "TaskOpened", f"tasks/{who[0]}", who[2], 1, now, data
        )
        bodies[event_id] = msgspec.json.encode(cloud_event(event))
    return bodies
