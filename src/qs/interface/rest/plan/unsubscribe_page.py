"""``/unsubscribe``: where the link leads that stops messages.

Mail programs post there at one click (RFC 8058). Whatever merely fetches links, a preview or a scanner, gets a page that
changes nothing and asks.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import MediaType, Request, Response, get, post
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.kernel.limiting import RateLimits
from qs.application.plan.opting_out import OptingOut, OptOutLinkAbsent
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.languages import Language
from qs.interface.rest.limits import count_miss
from qs.interface.rest.plan.entries import PUBLIC
from qs.interface.rest.plan.person_pages import Words, language_of, page, told_of_trouble
from qs.settings import Settings

Token = Annotated[str, Meta(max_length=400, description="As the link has it.")]
Everywhere = Annotated[str, Meta(description="`true` stops the messages of every plan.")]

_TITLE: Words = {"en": "Stop these messages", "zh": "停止接收消息"}
_CHANNELS: Mapping[str, Words] = {
    "email": {"en": "by e-mail", "zh": "电子邮件"},
    "sms": {"en": "by text message", "zh": "短信"},
    "wechat": {"en": "by WeChat", "zh": "微信消息"},
}
_ASKED: Words = {
    "en": "You are about to stop getting messages {channel}. You can still answer by links you have.",
    "zh": "您将不再收到{channel}。已收到的链接仍可使用。",
}
_OF_ONE_PLAN: Words = {"en": "Stop the messages of this series", "zh": "停止此系列的消息"}
_OF_ALL: Words = {"en": "Stop all messages", "zh": "停止所有消息"}
_DONE: Words = {
    "en": "Done. You will get no more such messages {channel}.",
    "zh": "已完成。您将不再收到此类{channel}。",
}
_INVALID: Words = {
    "en": "This link stops no messages. Please use the one in the newest message, or ask to be left alone.",
    "zh": "此链接无效。请使用最新消息中的链接，或联系工作人员。",
}
_TROUBLE: Mapping[int, Words] = {
    429: {
        "en": "Too many links were tried from here. Please wait a minute and open your link again.",
        "zh": "尝试次数过多，请稍等一分钟后重新打开您的链接。",
    },
    503: {
        "en": "The service cannot be reached at the moment, and nothing was changed. Please try again shortly.",
        "zh": "服务暂时不可用，未作任何更改，请稍后重试。",
    },
}
_ANY_TROUBLE: Words = {
    "en": "Something went wrong here, and nothing was changed. Please try again later.",
    "zh": "出现了问题，未作任何更改，请稍后重试。",
}


def _trouble(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    return told_of_trouble(request, error, _TITLE, _TROUBLE, _ANY_TROUBLE)


_SERVED: dict[str, Any] = {
    "opt": PUBLIC,
    "exception_handlers": {Exception: _trouble},
    "tags": ["entries"],
    "media_type": MediaType.HTML,
    "dependencies": {
        "opting_out": given("opting_out"),
        "limits": given("rate_limits"),
        "settings": given("settings"),
    },
}


@get("/unsubscribe/{token:str}", summary="The page that asks whether to stop messages", **_SERVED)
async def unsubscribe_page(
    token: FromPath[Token],
    request: Request[Any, Any, Any],
    opting_out: Given[OptingOut],
    limits: Given[RateLimits],
    settings: Given[Settings],
) -> Response[str]:
    """Changes nothing; 200, or 404 for a link that stops nothing."""
    language = language_of(request, settings)
    try:
        link = await opting_out.show(token)
    except OptOutLinkAbsent:
        return await _invalid(request, limits, language)
    # Relative to this page, wherever a proxy serves it.
    buttons = {"?": _OF_ONE_PLAN[language]} if link.one_plan else {}
    buttons["?everywhere=true"] = _OF_ALL[language]
    asked = _ASKED[language].format(channel=_channel(link.channel, language))
    return page(language, _TITLE[language], asked, 200, buttons=buttons)


@post("/unsubscribe/{token:str}", status_code=200, summary="Stop messages", **_SERVED)
async def unsubscribe(
    token: FromPath[Token],
    request: Request[Any, Any, Any],
    opting_out: Given[OptingOut],
    limits: Given[RateLimits],
    settings: Given[Settings],
    everywhere: FromQuery[Everywhere] = "",
) -> Response[str]:
    """One click, without login or cookie; the body may be anything. Repeating it is answered with 200 too."""
    language = language_of(request, settings)
    try:
        stopped = await opting_out.opt_out(token, everywhere=everywhere == "true")
    except OptOutLinkAbsent:
        return await _invalid(request, limits, language)
    done = _DONE[language].format(channel=_channel(stopped.channel, language))
    return page(language, _TITLE[language], done, 200)


async def _invalid(request: Request[Any, Any, Any], limits: RateLimits, language: Language) -> Response[str]:
    await count_miss(request, limits, None)
    return page(language, _TITLE[language], _INVALID[language], 404)


def _channel(name: str, language: Language) -> str:
    return _CHANNELS.get(name, {"en": "here", "zh": "消息"})[language]
