"""One grant, one message: what people agreed to, counted up by whoever heard them and down by sending."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from uuid import UUID

from qs.application.notification.composing import Skip
from qs.application.notification.ports import ChannelFailure, Message, NotificationUnitOfWorkFactory
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.notification.addressing import testee_of, to_guardian, to_testee
from qs.domain.notification.granting import Grant

NO_GRANT = "no_grant"


class GrantInvalid(Invalid):
    code = "grant.invalid"
    sentence = "the grant is for no message that is sent here, so it was not noted; see the problems"


class GrantUnspent(ChannelFailure):
    """The provider certainly sent nothing, so that the grant is there still."""


class GrantMissing(ChannelFailure):
    """The provider knows no grant, whatever we counted."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer, permanent=True, reason=NO_GRANT)


class GrantKeeping:
    """``templates`` are the provider's ids by channel: those that are sent here."""

    def __init__(
        self, unit_of_work: NotificationUnitOfWorkFactory, templates: Mapping[str, Collection[str]]
    ) -> None:
        self._unit_of_work = unit_of_work
        self._templates = templates

    async def add(
        self,
        tenant_id: UUID,
        testee_id: UUID,
        channel: str,
        template: str,
        count: int,
        *,
        guardian: int | None = None,
        actor: str,
    ) -> Grant:
        """Notes that the testee, or their guardian of that number, agreed to ``count`` more messages.

        Raises:
            GrantInvalid: nothing is sent here over that channel with that template.
        """
        self._check(channel, template)
        recipient = to_testee(testee_id) if guardian is None else to_guardian(testee_id, guardian)
        async with self._unit_of_work(tenant_id) as uow:
            grant = await uow.grants.add(testee_id, recipient, channel, template, count)
            detail = {"channel": channel, "template": template, "count": count, "guardian": guardian}
            await uow.audit.add("testee.granted", "testee", testee_id, actor=actor, detail=detail)
            await uow.commit("notification.grant")
        return grant

    async def of_testee(self, tenant_id: UUID, testee_id: UUID) -> Sequence[Grant]:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.grants.of_testee(testee_id)

    def _check(self, channel: str, template: str) -> None:
        if channel not in self._templates:
            known = ", ".join(sorted(self._templates)) or "none: no channel here needs grants"
            raise GrantInvalid([Problem("/channel", f"must be a channel that needs grants ({known})")])
        if template not in self._templates[channel]:
            raise GrantInvalid([Problem("/template", "must be a template that messages are sent with here")])


class GrantSpending:
    """What a channel of that kind sends through.

    1. The grant is taken for the message and committed; one that has it already, from before a crash, keeps it.
    2. The message is sent.
    3. The grant is given back if the provider certainly sent nothing. In doubt it stays with the message, whose next
       attempt uses it.
    """

    def __init__(self, unit_of_work: NotificationUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def spend(
        self, message: Message, channel: str, template: str, send: Callable[[], Awaitable[str]]
    ) -> str:
        """What ``send`` answers.

        Raises:
            Skip: no grant is left (``no_grant``); nothing was sent.
            ChannelFailure: as ``send`` does.
        """
        tenant_id, testee_id = message.tenant_id, testee_of(message.recipient)
        assert tenant_id is not None
        if testee_id is None:
            raise Skip(NO_GRANT)
        left = await self._take(tenant_id, testee_id, message, channel, template)
        if left is None:
            raise Skip(NO_GRANT)
        try:
            return await send()
        except GrantUnspent:
            async with self._unit_of_work(tenant_id) as uow:
                await uow.grants.give_back(message.notification_id)
                await uow.commit("notification.grant_give_back")
            raise
        except GrantMissing:
            async with self._unit_of_work(tenant_id) as uow:
                # Not those that were given since: they may be newer than the provider's answer.
                await uow.grants.write_off(message.notification_id, left)
                await uow.commit("notification.grant_write_off")
            raise

    async def _take(
        self, tenant_id: UUID, testee_id: UUID, message: Message, channel: str, template: str
    ) -> int | None:
        async with self._unit_of_work(tenant_id) as uow:
            left = await uow.grants.take(
                message.notification_id, testee_id, message.recipient, channel, template
            )
            if left is not None:
                await uow.commit("notification.grant_take")
        return left
