"""The doctor's findings about what is to be done and who does it: workers, duties, backlogs, keys, accounts, texts."""

from collections.abc import Mapping
from typing import Literal

OF_WORK: Mapping[str, tuple[Literal["note", "warning", "error"], str, str]] = {
    "worker.missing": (
        "warning",
        "no worker of a role that worker.roles names was seen",
        "start it by `qs up` or `qs worker --roles ROLE`; what it does waits meanwhile",
    ),
    "worker.died": (
        "error",
        "the last worker of a role ended without saying so: it was killed, or its machine is gone",
        "look at its log and at the machine (memory?), then start it by `qs worker --roles ROLE`",
    ),
    "worker.drained": (
        "warning",
        "every worker of a role was told to take on nothing more",
        "restart it: a worker that was drained does not begin again",
    ),
    "worker.clock": (
        "error",
        "a worker's clock and PostgreSQL's differ by more than 2 s",
        "let its machine keep its time by NTP",
    ),
    "scheduler.stopped": (
        "error",
        "timed firing was stopped for everybody, so nothing is opened, expired or run by itself",
        "run `qs scheduler start`",
    ),
    "scheduler.stopped_for_tenants": (
        "note",
        "some tenants have stopped the timed firing of their jobs",
        "nothing, if they meant it; `qs scheduler start` as that tenant lets it go on",
    ),
    "scheduler.disabled": (
        "warning",
        "scheduler.enabled is false, and there are jobs that should be fired by time",
        "set scheduler.enabled to true, or disable the jobs",
    ),
    "duty.late": (
        "error",
        "a duty has not succeeded for longer than two of its periods",
        "run a cron worker, or look why the call from outside does not come; `qs sweep` does one sweep now",
    ),
    "duty.failing": (
        "warning",
        "the last run of a duty failed or was lost",
        "see the error of its last run: `GET /api/v1/scheduler/executions` as a platform account, or the cron worker's log",
    ),
    "tasks.overdue": (
        "error",
        "tasks are due and nobody opens them",
        "run `qs sweep` to see what it meets; then a cron worker, or the call from outside",
    ),
    "events.unpublished": (
        "error",
        "events have waited for minutes to be published, and messages and figures with them",
        "run a relay worker, and see that Redis answers and has memory",
    ),
    "events.behind": (
        "warning",
        "a subscriber inside qs is more than a thousand events behind",
        "run its worker (notifications, statistics), or a second one",
    ),
    "events.given_up": (
        "warning",
        "events were tried and given up",
        "see event_dead in the log for the reason, mend it, then `qs events replay`",
    ),
    "messages.late": (
        "error",
        "messages have waited for minutes to be sent",
        "run a notifications worker; else see what the far side answers: `qs notifications list`",
    ),
    "messages.given_up": (
        "warning",
        "messages were given up within a day",
        "see why: `qs notifications list --status dead`; mend it, then `qs notifications replay`",
    ),
    "channel.gone": (
        "error",
        "the receiver of a channel says that it is gone (HTTP 410), and messages were given up",
        "correct or leave out the address of the channel, then replay what is dead",
    ),
    "channel.no_addresses": (
        "warning",
        "over a channel nobody could be written to for a week: no testee has an address there",
        "give testees contacts on this channel, or set up a channel that they have contacts for",
    ),
    "webhooks.late": (
        "warning",
        "deliveries to webhook endpoints have waited for long",
        "run a notifications worker; see `qs webhooks list` for endpoints that fail",
    ),
    "webhooks.disabled": (
        "warning",
        "webhook endpoints are disabled, so their receivers hear nothing",
        "see why: `qs webhooks list`; mend it, then `qs webhooks enable`",
    ),
    "jobs.not_fired": (
        "error",
        "jobs are due and no clock fires them",
        "run a ticker worker",
    ),
    "jobs.waiting": (
        "error",
        "executions of jobs wait and nobody begins them",
        "run an executions worker, or a second one; a queue limit may be too narrow",
    ),
    "jobs.broken": (
        "warning",
        "jobs cannot be run as they are written",
        "see `qs job list`, which names the field and the value",
    ),
    "notices.given_up": (
        "warning",
        "notices about jobs were given up",
        "see notice_settled in the log of the executions worker; correct the address or the secret",
    ),
    "statistics.differ": (
        "warning",
        "the last validation found figures that differ from the tasks",
        "run `qs stats validate`, with --repair to put them right",
    ),
    "statistics.old": (
        "warning",
        "figures were not brought up to date for more than two hours",
        "run a cron worker, or `qs stats sync`",
    ),
    "audit.waiting": (
        "note",
        "an audit record has waited for more than a minute to be sealed",
        "run a relay worker; until it is sealed nobody could tell that it was removed",
    ),
    "audit.unsealed": (
        "error",
        "an audit record has waited for more than ten minutes to be sealed",
        "run a relay worker; until it is sealed nobody could tell that it was removed",
    ),
    "keys.lost": (
        "error",
        "rows cannot be read with any key of QS_SECRET_KEY",
        "add those keys to QS_SECRET_KEY again, behind the present one, then run `qs keys rotate`",
    ),
    "keys.old": (
        "note",
        "rows stand under an older key",
        "run `qs keys rotate` before a key leaves QS_SECRET_KEY",
    ),
    "keys.unseen": (
        "note",
        "what stands under which key could not be looked at",
        "see what is said of the database",
    ),
    "links.lost": (
        "error",
        "links open nothing, since their key is gone",
        "add that key to QS_SECRET_KEY again, behind the present one, or issue the links again",
    ),
    "links.old": (
        "note",
        "links of open tasks hang on an older key",
        "keep that key until these tasks have ended",
    ),
    "texts.unusable": (
        "error",
        "this release cannot send texts that a tenant saved; the built-in ones go out instead",
        "see `qs templates show`, then save corrected ones with `qs templates set`, or `qs templates reset`",
    ),
    "accounts.nobody": (
        "warning",
        "there is no administrator, so nobody can log in and make one",
        "run `qs user create NAME --role admin`",
    ),
    "api_key.ends": (
        "warning",
        "an API key that is in use ends within 14 days",
        "make its successor with `qs api-key create`, and give it to the machine that uses it",
    ),
    "staff.unreachable": (
        "warning",
        "a tenant follows people and has no staff contact, so what staff should hear goes to the log",
        "run `qs tenant set SLUG --staff-email …`",
    ),
}
