"""Which module reads which kind of trigger; one line each, and docs/howto/write-a-trigger.md says how to add one."""

from collections.abc import Callable, Mapping

from qs.domain.scheduler.triggers import cron, daily, duration, fixed_delay, monthly, once, weekly
from qs.domain.scheduler.triggers.spec import TriggerKind
from qs.domain.scheduler.triggers.trigger import Reading, Trigger

READERS: Mapping[TriggerKind, Callable[[Reading], Trigger]] = {
    TriggerKind.CRON: cron.read,
    TriggerKind.DURATION: duration.read,
    TriggerKind.FIXED_DELAY: fixed_delay.read,
    TriggerKind.DAILY: daily.read,
    TriggerKind.WEEKLY: weekly.read,
    TriggerKind.MONTHLY: monthly.read,
    TriggerKind.ONCE: once.read,
}
