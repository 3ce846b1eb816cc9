"""``/queue``: what waits, works and failed, on one plain page; behind ``feature.queue_dashboard``."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from litestar import MediaType, Request, Response, Router, get

from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.nodes import NodeReading, Queues
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.guards import AuthenticationMiddleware
from qs.interface.rest.languages import Language
from qs.interface.rest.scheduler.answers import BY_LANGUAGE, language_of
from qs.interface.rest.scheduler.browser_login import BrowserLogin
from qs.interface.rest.scheduler.execution_dto import ExecutionItem
from qs.interface.rest.scheduler.histories import Histories, Wanted
from qs.interface.rest.scheduler.permissions import READING
from qs.settings import Settings

_NEWEST = 25

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Queues",
        "none": "Nothing waits, and nothing ran in the last 24 hours.",
        "more": "There is more than is counted here.",
        "newest": "Newest executions",
        "at": "As of {at} (UTC). Done and failed are of the last 24 hours.",
        "queue": "Queue",
        "pending": "Pending",
        "active": "Active",
        "done": "Done",
        "failed": "Failed",
        "retries": "Retries",
        "job": "Job",
        "status": "Status",
        "attempt": "Attempt",
        "created": "Created",
        "finished": "Finished",
        "error": "Error",
    },
    "zh": {
        "title": "队列",
        "none": "没有等待中的任务，最近 24 小时内也没有执行记录。",
        "more": "实际数量多于此处的统计。",
        "newest": "最新执行记录",
        "at": "截至 {at}（UTC）。完成与失败为最近 24 小时的数量。",
        "queue": "队列",
        "pending": "等待中",
        "active": "执行中",
        "done": "已完成",
        "failed": "失败",
        "retries": "重试中",
        "job": "任务",
        "status": "状态",
        "attempt": "次数",
        "created": "创建时间",
        "finished": "结束时间",
        "error": "错误",
    },
}
_PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>qs · {title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{at}</p>
{queues}
<h2>{newest}</h2>
{executions}
</main>
</body>
</html>
"""


@get(
    "/",
    opt=READING,
    media_type=MediaType.HTML,
    dependencies={
        "duties": given("duty_reading"),
        "nodes": given("node_reading"),
        "reading": given("job_reading"),
        "settings": given("settings"),
    },
)
async def queue_page(
    request: Request[Principal, Any, Any],
    duties: Given[DutyReading],
    nodes: Given[NodeReading],
    reading: Given[JobReading],
    settings: Given[Settings],
) -> Response[str]:
    """The queues of the caller's tenant and its newest executions; nothing on it can be clicked or changes anything."""
    tenant, language = request.user.home_tenant, language_of(request, settings)
    queues = await nodes.queues(tenant)
    newest = await Histories(duties, reading, request.user).newest(tenant, Wanted(), None, _NEWEST)
    words = _WORDS[language]
    page = _PAGE.format(
        language="zh-CN" if language == "zh" else "en",
        title=escape(words["title"]),
        at=escape(words["at"].format(at=_clock(datetime.now(UTC)))),
        queues=_queues(queues, words),
        newest=escape(words["newest"]),
        executions=_executions(newest, words),
    )
    headers = {"Cache-Control": "no-store", **BY_LANGUAGE}
    return Response(page, media_type=MediaType.HTML, headers=headers)


queue_router = Router(
    "/queue",
    route_handlers=[queue_page],
    middleware=[BrowserLogin, AuthenticationMiddleware],
    include_in_schema=False,
)


def _queues(queues: Queues, words: dict[str, str]) -> str:
    if not queues.states:
        return f"<p>{escape(words['none'])}</p>"
    rows = [
        (state.name, state.waiting, state.running, state.done, state.failed, state.retrying)
        for state in queues.states
    ]
    table = _table([words[key] for key in ("queue", "pending", "active", "done", "failed", "retries")], rows)
    return f"{table}\n<p>{escape(words['more'])}</p>" if queues.at_least else table


def _executions(items: Sequence[ExecutionItem], words: dict[str, str]) -> str:
    heads = [words[key] for key in ("job", "status", "queue", "attempt", "created", "finished", "error")]
    return _table(
        heads,
        [
            (
                item.name,
                item.status.value,
                item.queue or "",
                item.attempt,
                _clock(item.created_at),
                _clock(item.finished_at),
                (item.error or "")[:200],
            )
            for item in items
        ],
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    lines = "\n".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _clock(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
