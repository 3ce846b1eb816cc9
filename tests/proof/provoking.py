"""What provokes each deliberate bug: the processes it needs, work for them, and a fault where it hurts."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.proof.stage import WORKING, Stage
from tests.proof.traps import Trap

Provocation = Callable[[Stage, int], Coroutine[Any, Any, None]]
"""One round; the number counts from 0, and later rounds vary what the first left fixed."""


@dataclass(frozen=True)
class Killing:
    """The role is killed at the point while tasks are opened and acted on."""

    role: str
    point: str

    async def __call__(self, stage: Stage, number: int) -> None:
        await stage.staff(*WORKING)
        await stage.enroll(2)
        await stage.rest("due to open")
        trapped = await stage.only(self.role, Trap(self.point, nth=1 + number % 3))
        await stage.sweep()
        await stage.outlived(trapped)
        await stage.rest()


async def flushing(stage: Stage, number: int) -> None:
    """Redis is emptied after the events went out and before anybody has read them."""
    await stage.staff(*WORKING)
    await stage.enroll(2)
    await stage.rest("due to open")
    for role in ("notifications", "statistics"):
        await stage.world.kill(role)
    await stage.sweep()
    await stage.until(
        "SELECT assigned_through = published_through AND NOT EXISTS (SELECT FROM outbox WHERE position IS NULL)"
        " FROM relay_cursor",
        "everything is published",
    )
    await stage.world.servers.flush_redis()
    await stage.staff(*WORKING)
    await stage.rest()


async def publishing_twice(stage: Stage, number: int) -> None:
    """The relay dies after it published and before it kept that, and its successor comes when all have acted on it."""
    await stage.staff(*WORKING)
    await stage.enroll(2)
    await stage.rest("due to open")
    relay = await stage.only("relay", Trap("relay.after_publish", nth=1 + number % 3))
    await stage.sweep()
    if await stage.died(relay):
        await stage.until(
            "SELECT NOT EXISTS (SELECT FROM outbox o, relay_cursor r WHERE o.position <= r.assigned_through"
            " AND o.name = 'TaskOpened' AND NOT EXISTS (SELECT FROM inbox i WHERE i.event_id = o.id))",
            "what was published is acted on",
        )
    await stage.staff(*WORKING)
    await stage.rest()


async def opening_by_hand(stage: Stage, number: int) -> None:
    """The API dies right after it committed that a task is open."""
    await stage.staff(*WORKING)
    await stage.enroll(1)
    trapped = await stage.only("api", Trap("task.transition.after_commit"))
    rows = await stage.world.fetch("SELECT id FROM task WHERE status = 'pending' ORDER BY planned_at LIMIT 1")
    await stage.call(f"/plans/tasks/{rows[0]['id']}/open")
    await stage.outlived(trapped)
    await stage.sweep()
    await stage.rest()


async def sweeping_at_once(stage: Stage, number: int) -> None:
    await stage.staff(*WORKING)
    await stage.enroll(6)
    await asyncio.gather(*(stage.sweep() for _ in range(3)))
    await stage.rest()


async def answering_and_cancelling(stage: Stage, number: int) -> None:
    """Open tasks are completed and canceled at the same moment."""
    await stage.staff(*WORKING)
    await stage.enroll(2)
    await stage.sweep()
    rows = await stage.world.fetch(
        "SELECT id FROM task WHERE status = 'opened' ORDER BY opened_at DESC, id LIMIT 10"
    )
    for row in rows:
        task = row["id"]
        answer = {"assessment_id": stage.name()}
        await asyncio.gather(
            stage.write("submit", f"/plans/tasks/{task}/complete", answer, task),
            stage.write("cancel", f"/plans/tasks/{task}/cancel", {"reason": "withdrawn"}, task),
        )
    await stage.rest()


async def sweeping_for_one(stage: Stage, number: int) -> None:
    """One tenant calls for a sweep while another has work that is due."""
    await stage.staff(*WORKING)
    one, other, *_ = stage.tenants
    await stage.enroll(2, one)
    await stage.enroll(2, other)
    await stage.sweep(one)
    await stage.sweep(other)
    await stage.rest()


async def opening_late(stage: Stage, number: int) -> None:
    """Tasks are opened after they were due to be answered, and swept again."""
    await stage.staff(*WORKING)
    for _ in range(2):
        await stage.enroll(2)
        await stage.sweep()
    await stage.rest()


async def losing_the_answer(stage: Stage, number: int) -> None:
    """The API fails right after its commit; the caller asks again with the same key."""
    await stage.only("api", Trap("testee.create.after_commit", action="raise"))
    name, key = stage.name(), f"key-{stage.name()}"
    for _ in range(2):
        await stage.write("create_testee", "/testees", {"name": name}, key=key)
    await stage.staff(*WORKING)
    await stage.rest()


async def claiming_a_slot_twice(stage: Stage, number: int) -> None:
    """A clock hesitates before it keeps its claim, while another claims the same slots."""
    await stage.staff(*WORKING)
    slow = await stage.only("cron", Trap("slot.claim.before_commit", action="hang", hang_s=1.0))
    if await slow.sprung(5):
        await stage.world.start("cron")
    await stage.until(
        "SELECT count(*) > 8 FROM execution WHERE status IN ('succeeded', 'failed')", "duties were fired"
    )
    await stage.world.stop("cron")
    await stage.rest()


async def waking_late(stage: Stage, number: int) -> None:
    """A clock is frozen in its sweep until another has taken over, and wakes."""
    await stage.world.stop("cron")
    await stage.staff(*WORKING)
    await stage.enroll(6)
    frozen = await stage.only("cron", Trap("sweep.batch.after_commit", action="freeze"))
    if await frozen.sprung(5):
        await stage.world.start("cron")
        await stage.until("SELECT EXISTS (SELECT FROM execution WHERE status = 'lost')", "it is taken over")
        stage.world.thaw("cron")
        await stage.until(
            "SELECT EXISTS (SELECT FROM audit WHERE action = 'execution.end_refused')"
            " OR EXISTS (SELECT FROM execution WHERE status = 'succeeded' AND retried_as IS NOT NULL)",
            "the one who woke wrote how it ended",
        )
    await stage.world.stop("cron")
    await stage.rest()


async def cutting_off_a_sync(stage: Stage, number: int) -> None:
    """A sync dies when it has written and not said so."""
    await stage.staff(*WORKING)
    await stage.enroll(2)
    await stage.sweep()
    await stage.rest()
    trapped = await stage.only("api", Trap("sync_daily.before_pass_finished"))
    await stage.call("/statistics/sync/daily")
    await stage.outlived(trapped)
    await stage.world.sync()


async def wiping_between_syncs(stage: Stage, number: int) -> None:
    """Redis is emptied when its counters were synced, and more is counted."""
    await stage.staff(*WORKING)
    await stage.enroll(2)
    await stage.sweep()
    await stage.rest()
    await stage.world.sync()
    await stage.world.servers.flush_redis()
    await stage.enroll(2)
    await stage.sweep()
    await stage.rest()


async def sending_at_once(stage: Stage, number: int) -> None:
    """A sender hesitates before it keeps its claim, while another claims the same deliveries."""
    await stage.world.stop("notifications")
    await stage.staff("api", "relay", "statistics")
    slow = await stage.world.start(
        "notifications",
        Trap("notification.claim.before_commit", nth=1 + number % 3, action="hang", hang_s=1.0),
    )
    await stage.enroll(2)
    await stage.sweep()
    if await slow.sprung(5):
        await stage.world.start("notifications")
    await stage.rest()


PROVOKED_BY: dict[str, Provocation] = {
    "save-then-publish": Killing("relay", "relay.before_publish"),
    "published-is-done": flushing,
    "ack-before-effect": Killing("notifications", "subscriber.after_effect"),
    "no-inbox": publishing_twice,
    "event-apart": opening_by_hand,
    "no-skip-locked": sweeping_at_once,
    "no-version": answering_and_cancelling,
    "unscoped": sweeping_for_one,
    "expires-when-due": opening_late,
    "blind-retry": losing_the_answer,
    "key-apart": losing_the_answer,
    "no-unique-slot": claiming_a_slot_twice,
    "no-epoch": waking_late,
    "delta-sync": cutting_off_a_sync,
    "wiped-sync": wiping_between_syncs,
    "no-claims": Killing("statistics", "counting.after_add"),
    "sent-before-send": Killing("notifications", "notification.before_send"),
    "new-id-per-attempt": Killing("notifications", "notification.after_send"),
    "claims-in-common": sending_at_once,
}


async def random_kill(stage: Stage) -> None:
    """Somebody dies at a random moment, and is followed."""
    role = stage.world.rng.choice(WORKING[1:])
    await asyncio.sleep(stage.world.rng.uniform(0, 0.3))
    await stage.world.kill(role)
    await stage.world.start(role)
