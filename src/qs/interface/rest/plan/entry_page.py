"""``/entry``: the page a link leads to where nobody has set another. It says whether the link is live and changes nothing.

Chat apps fetch links to show a preview of them, so the page names neither scale nor person.
"""

from typing import Any
from zoneinfo import ZoneInfo

from litestar import MediaType, Request, Response, get
from litestar.params import FromQuery

from qs.application.kernel.limiting import RateLimits
from qs.application.plan.entering import EntryAdmission
from qs.domain.kernel.errors import QsError
from qs.domain.kernel.zones import zone
from qs.domain.plan.errors import EntryAbsent, EntryCanceled, EntryCompleted, EntryExpired, EntryReplaced
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.languages import Language
from qs.interface.rest.limits import count_miss
from qs.interface.rest.plan.entries import PUBLIC
from qs.interface.rest.plan.person_pages import language_of, page, told_of_trouble
from qs.interface.rest.problems import status_of
from qs.settings import Settings

_TITLES: dict[Language, str] = {"en": "Questionnaire", "zh": "问卷"}
_LIVE: dict[Language, str] = {
    "en": "A questionnaire is waiting for you. You can answer it until {until}.",
    "zh": "有一份问卷等待您填写，请在 {until} 之前完成。",
}
_OVER: dict[type[QsError], dict[Language, str]] = {
    EntryAbsent: {
        "en": "This link is not valid. Please open the newest link you were sent, or ask for a new one.",
        "zh": "此链接无效。请打开您收到的最新链接，或联系工作人员重新获取。",
    },
    EntryReplaced: {
        "en": "This link was replaced by a newer one. Please open the newest link you were sent.",
        "zh": "此链接已被新链接取代，请打开您收到的最新链接。",
    },
    EntryExpired: {
        "en": "This link has run out. Please ask for a new one if you still want to answer.",
        "zh": "此链接已过期。如仍需填写，请联系工作人员。",
    },
    EntryCanceled: {
        "en": "This questionnaire is no longer asked for. There is nothing left to do.",
        "zh": "此问卷已取消，无需再填写。",
    },
    EntryCompleted: {
        "en": "This questionnaire was answered. There is nothing left to do. Thank you.",
        "zh": "此问卷已完成，无需再填写。谢谢。",
    },
}
_TROUBLE: dict[int, dict[Language, str]] = {
    429: {
        "en": "Too many links were tried from here. Please wait a minute and open your link again.",
        "zh": "尝试次数过多，请稍等一分钟后重新打开您的链接。",
    },
    503: {
        "en": "The service cannot be reached at the moment. Your link stays good; please open it again shortly.",
        "zh": "服务暂时不可用。您的链接仍然有效，请稍后重新打开。",
    },
}
_ANY_TROUBLE: dict[Language, str] = {
    "en": "Something went wrong here. Please open your link again later.",
    "zh": "出现了问题，请稍后重新打开您的链接。",
}


def _trouble(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    return told_of_trouble(request, error, _TITLES, _TROUBLE, _ANY_TROUBLE)


@get(
    "/entry",
    opt=PUBLIC,
    exception_handlers={Exception: _trouble},
    tags=["entries"],
    summary="The page of a link",
    media_type=MediaType.HTML,
    dependencies={
        "admission": given("entry_admission"),
        "limits": given("rate_limits"),
        "settings": given("settings"),
    },
)
async def entry_page(
    request: Request[Any, Any, Any],
    admission: Given[EntryAdmission],
    limits: Given[RateLimits],
    settings: Given[Settings],
    token: FromQuery[str] = "",
    task_id: FromQuery[str] = "",
) -> Response[str]:
    """A minimal page in Chinese or English that says whether the link of the query is live; 200, 404 or 410."""
    language = language_of(request, settings)
    try:
        entry = await admission.show(token, task_id)
    except (EntryAbsent, EntryReplaced, EntryExpired, EntryCanceled, EntryCompleted) as error:
        if isinstance(error, EntryAbsent):
            await count_miss(request, limits, task_id)
        return page(language, _TITLES[language], _OVER[type(error)][language], status_of(error))
    tz: ZoneInfo = zone(entry.timezone)
    until = f"{entry.expires_at.astimezone(tz):%Y-%m-%d %H:%M} ({entry.timezone})"
    return page(language, _TITLES[language], _LIVE[language].format(until=until), 200)
