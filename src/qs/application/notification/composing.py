"""A delivery's message as it is at the moment of sending: address, link and text are put together then, never stored."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from qs.application.kernel.opt_out_links import OptOutLinks, OptOutWish
from qs.application.notification.ports import Message, MessageLink, OpenTask
from qs.domain.notification.addressing import Person, is_staff
from qs.domain.notification.delivery import Delivery
from qs.domain.notification.texts import KINDS, SMS_SUFFIX, Composed, OwnTexts, compose

_log = structlog.get_logger()

DIGEST = "task_opened_digest"
SMS = "sms"
ONE_LINK = frozenset({SMS, "wechat"})
"""The channels whose messages have no room for several links."""


class Skip(Exception):
    """The message must not go out; ``reason`` is kept in the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Composing:
    """A tenant's own text that this release cannot send gives way to the built-in one, with a warning in the log.

    ``opt_outs`` makes the link by which a testee or guardian stops such messages; without it there is none.
    """

    def __init__(self, opt_outs: OptOutLinks | None = None) -> None:
        self._opt_outs = opt_outs

    def message(
        self,
        group: Sequence[Delivery],
        person: Person,
        address: str | None,
        tasks: Sequence[OpenTask],
        *,
        timezone: str,
        now: datetime,
        own: OwnTexts,
    ) -> Message:
        """The message of one delivery, or of several that go out together, to send now.

        ``own`` are the tenant's texts in the language of the message. ``tasks`` are those of the deliveries, in their
        order; there are none where the message has no link.
        """
        first = group[0]
        links = _links(group, tasks)
        text = self._text(first, person, links, timezone, now, own)
        return Message(
            notification_id=first.message_id,
            event_id=first.event_id,
            task_id=first.task_id,
            recipient=first.recipient,
            address=address,
            template=_template(first, links),
            locale=first.locale,
            subject=text.subject,
            text=text.body,
            link=links[0].url if links else None,
            expires_at=links[0].expires_at if links else None,
            tenant_id=first.tenant_id,
            timezone=timezone,
            unsubscribe_url=self._unsubscribe_url(first),
            links=links if len(links) > 1 else (),
            template_version=text.version,
        )

    def _unsubscribe_url(self, delivery: Delivery) -> str | None:
        if self._opt_outs is None or delivery.testee_id is None or is_staff(delivery.recipient):
            return None
        wish = OptOutWish(delivery.tenant_id, delivery.testee_id, delivery.channel, delivery.plan_id)
        return self._opt_outs.url(wish)

    def _text(
        self,
        delivery: Delivery,
        person: Person,
        links: Sequence[MessageLink],
        timezone: str,
        now: datetime,
        own: OwnTexts,
    ) -> Composed:
        template = _template(delivery, links)
        text = compose(
            template,
            delivery.locale,
            name=person.name,
            values={
                **delivery.data,
                "task_id": str(delivery.task_id),
                "plan_id": str(delivery.plan_id),
            },
            link=links[0].url if links else None,
            links=[link.url for link in links],
            expires_at=links[0].expires_at if links else None,
            left=links[0].expires_at - now if links else None,
            timezone=timezone,
            own=own,
        )
        for unusable in text.unusable:
            _log.warning(
                "message_text_unusable",
                tenant_id=delivery.tenant_id,
                template=unusable.key,
                version=unusable.version,
                reason=unusable.why,
            )
        return text


def _links(group: Sequence[Delivery], tasks: Sequence[OpenTask]) -> tuple[MessageLink, ...]:
    links = []
    for delivery, task in zip(group, tasks, strict=False):
        assert delivery.task_id is not None
        links.append(MessageLink(delivery.task_id, task.url, task.expires_at))
    return tuple(sorted(links, key=lambda link: link.expires_at))


def _template(delivery: Delivery, links: Sequence[MessageLink]) -> str:
    several = len(links) > 1
    template = DIGEST + delivery.template.removeprefix("task_opened") if several else delivery.template
    short = template + SMS_SUFFIX
    return short if delivery.channel == SMS and short in KINDS else template
