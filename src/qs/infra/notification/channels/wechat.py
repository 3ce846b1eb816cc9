"""Messages as subscribe messages of a WeChat mini-program: one for each time somebody agreed to one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

from qs.application.notification.composing import Skip
from qs.application.notification.granting import GrantSpending
from qs.application.notification.ports import ChannelFailure, Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.notification.channels.kit import Kit, MiniProgram
from qs.infra.notification.channels.wechat_api import AccessTokens, SubscribeMessages
from qs.infra.notification.channels.wechat_fields import ValueUnfit
from qs.infra.notification.channels.wechat_templates import WechatTemplate

_LANGUAGES = {"zh": "zh_CN", "en": "en_US"}


class WechatChannel:
    """Addresses are openids of the mini-program. A message that it has no template for is skipped."""

    name = "wechat"
    needs_address = True

    def __init__(
        self,
        client: GuardedClient,
        program: MiniProgram,
        grants: GrantSpending,
        *,
        deadline: timedelta,
    ) -> None:
        tokens = AccessTokens(client, program.base_url, program.appid, program.secret, deadline=deadline)
        self._messages = SubscribeMessages(client, program.base_url, tokens, deadline=deadline)
        self._templates = program.templates
        self._state = program.state
        self._grants = grants

    @classmethod
    def made_of(cls, kit: Kit) -> Self | None:
        if kit.wechat is None or kit.grants is None:
            return None
        return cls(kit.client, kit.wechat, kit.grants, deadline=kit.deadline)

    async def send(self, message: Message) -> str:
        template = self._templates.of(message.template)
        if template is None:
            raise Skip("no_template")
        try:
            body = self._body(template, message)
        except ValueUnfit as error:
            raise ChannelFailure(str(error), permanent=True) from error
        return await self._grants.spend(message, self.name, template.id, lambda: self._messages.send(body))

    def _body(self, template: WechatTemplate, message: Message) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "touser": message.address,
            "template_id": template.id,
            "data": template.data(message),
            "miniprogram_state": self._state,
            "lang": _LANGUAGES.get(message.locale, "zh_CN"),
        }
        page = template.page_of(message)
        return body if page is None else {**body, "page": page}
