"""How fast messages to people reach a receiver that takes whatever comes."""

import asyncio
import base64

import httpx
import msgspec

from bench import seeding
from bench.harness import Case, Goal, Subject
from bench.webhook_deliveries import _receiver, _settings
from bench.world import World
from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.settings import Settings
from qs.settings.sections import NotificationSettings, WebhookSettings

_SENT = "SELECT count(*) FROM delivery WHERE status = 'sent'"
_RECORDED = "SELECT count(*) FROM delivery_attempt WHERE outcome = 'sent'"
# One for each opened task, as its event makes it.
_QUEUE = """
INSERT INTO delivery (id, tenant_id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel, address_index,
    template, locale, data, status)
SELECT gen_random_uuid(), tenant_id, gen_random_uuid(), 'TaskOpened', id, testee_id, plan_id, 'testee:' || testee_id,
    'webhook', 0, 'task_opened', 'en', '{"timezone": "Asia/Shanghai"}', 'queued'
FROM task WHERE tenant_id = $1 AND status = 'opened'
"""


async def sending(world: World, messages: int) -> Case:
    """Queued messages about opened tasks to the end of all: judged, composed with a link, signed, recorded, durable.

    The bare client posts bodies of the same size with as many connections, unsigned, and remembers nothing. The receiver
    is a process of its own.
    """
    url = await _receiver(world)
    settings = _with_webhook(_settings(world), url)
    at_once = settings.worker.concurrency
    await seeding.tasks(world.admin, DEFAULT_TENANT, messages, 0, opened=True)
    await world.admin.execute(
        "UPDATE task SET expires_at = now() + interval '7 days' WHERE status = 'opened'"
    )
    await world.admin.execute(_QUEUE, DEFAULT_TENANT)
    await world.admin.execute("VACUUM ANALYZE delivery, task")
    await world.keep()
    body = b"x" * 700

    async def run_limit(number: int) -> int:
        done, left = 0, messages
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

            async def post() -> None:
                nonlocal done, left
                while left:
                    left -= 1
                    answer = await client.post(
                        url, content=body, headers={"content-type": "application/json"}
                    )
                    done += answer.is_success

            await asyncio.gather(*(post() for _ in range(at_once)))
        return done

    async def prepare(number: int) -> None:
        await world.restore()

    async def run_ours(number: int) -> int:
        container = build_container(settings)
        try:
            ours = container.sending()["webhook"]
            while await ours.send_due():
                pass
        finally:
            await close(container)
        sent = await world.admin.fetchval(_SENT)
        assert sent == await world.admin.fetchval(_RECORDED)
        return int(sent)

    subjects = {
        "httpx, nothing else": Subject(run_limit, messages),
        "ours": Subject(run_ours, messages, prepare),
    }
    return Case(
        "messages", "messages", subjects, [Goal("ours", 0.5, "httpx, nothing else")], {"at once": at_once}
    )


def _with_webhook(settings: Settings, url: str) -> Settings:
    secret = "whsec_" + base64.b64encode(b"a secret that only benches know").decode()
    return msgspec.structs.replace(
        settings,
        notification=NotificationSettings(
            channels=("webhook",), webhook=WebhookSettings(url=url, secrets=(secret,))
        ),
    )
