"""Tenants write their own texts, go back to earlier ones and to the built-in ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.notification.template_ports import (
    ScaleMentions,
    TemplateUnitOfWork,
    TemplateUnitOfWorkFactory,
)
from qs.domain.notification.templates import (
    Template,
    TemplateUnusable,
    TemplateVersion,
    TemplateVersionAbsent,
    kind_of,
    read_text,
)
from qs.domain.notification.texts import BUILT_IN, KINDS, Text, problems_of


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """``scales`` are the codes of scales that the text names, which a neutral one does not."""

    template: Template
    scales: Sequence[str]


class TemplateAuthoring:
    """Every method but ``list`` raises TemplateAbsent for a key or language there is no text of.

    ``version`` is that of the text as the caller saw it, 0 for the built-in one; PreconditionFailed when it is another.
    """

    def __init__(self, unit_of_work: TemplateUnitOfWorkFactory, scales: ScaleMentions) -> None:
        self._unit_of_work = unit_of_work
        self._scales = scales

    async def list(self, tenant_id: UUID) -> Sequence[Template]:
        """All texts as they are sent now, by key and language."""
        async with self._unit_of_work(tenant_id) as uow:
            own = {(each.key, each.locale): each for each in await uow.templates.all_active()}
        return [
            Template.of(key, locale, own.get((key, locale)))
            for key in sorted(KINDS)
            for locale in sorted(BUILT_IN)
        ]

    async def get(self, tenant_id: UUID, key: str, locale: str) -> Template:
        kind_of(key, locale)
        async with self._unit_of_work(tenant_id) as uow:
            return Template.of(key, locale, await uow.templates.active(key, locale))

    async def versions(
        self, tenant_id: UUID, key: str, locale: str, *, before: int | None = None, limit: int = 20
    ) -> Sequence[TemplateVersion]:
        """The newest first, going on from ``before``."""
        kind_of(key, locale)
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.templates.versions(key, locale, before, limit)

    async def save(
        self,
        tenant_id: UUID,
        key: str,
        locale: str,
        text: Text,
        *,
        actor: str,
        version: int | None = None,
    ) -> SavedTemplate:
        """The text as a new version; messages composed from here on use it.

        Raises:
            TemplateInvalid: no message can be made of it.
        """
        checked = read_text(kind_of(key, locale), text.subject, text.body)
        scales = await self._scales.mentioned(tenant_id, f"{checked.subject}\n{checked.body}")
        async with self._unit_of_work(tenant_id) as uow:
            await _locked(uow, key, locale, version)
            added = await uow.templates.add(key, locale, checked, actor)
            template = await _activated(uow, key, locale, added.version)
            await _record(uow, "template.saved", template, actor)
            await uow.commit("template.save")
        return SavedTemplate(template, scales)

    async def activate(
        self, tenant_id: UUID, key: str, locale: str, wanted: int, *, actor: str, version: int | None = None
    ) -> Template:
        """An earlier version takes effect again.

        Raises:
            TemplateVersionAbsent: there is none of that number.
            TemplateUnusable: this release cannot send it.
        """
        kind = kind_of(key, locale)
        async with self._unit_of_work(tenant_id) as uow:
            await _locked(uow, key, locale, version)
            found = await uow.templates.version(key, locale, wanted)
            if found is None:
                raise TemplateVersionAbsent
            if problems := problems_of(kind, found.text):
                raise TemplateUnusable(wanted, problems[0])
            template = await _activated(uow, key, locale, wanted)
            await _record(uow, "template.activated", template, actor)
            await uow.commit("template.activate")
        return template

    async def reset(
        self, tenant_id: UUID, key: str, locale: str, *, actor: str, version: int | None = None
    ) -> Template:
        """The built-in text takes effect again; the versions stay and can be activated."""
        kind_of(key, locale)
        async with self._unit_of_work(tenant_id) as uow:
            await _locked(uow, key, locale, version)
            await uow.templates.activate(key, locale, None)
            template = Template.of(key, locale)
            await _record(uow, "template.reset", template, actor)
            await uow.commit("template.reset")
        return template


async def _locked(uow: TemplateUnitOfWork, key: str, locale: str, version: int | None) -> None:
    await uow.templates.lock(key, locale)
    if version is not None:
        active = await uow.templates.active(key, locale)
        if Template.of(key, locale, active).version != version:
            raise PreconditionFailed


async def _activated(uow: TemplateUnitOfWork, key: str, locale: str, version: int) -> Template:
    await uow.templates.activate(key, locale, version)
    return Template.of(key, locale, await uow.templates.active(key, locale))


async def _record(uow: TemplateUnitOfWork, action: str, template: Template, actor: str) -> None:
    detail = {"key": template.key, "locale": template.locale, "version": template.version}
    await uow.audit.add(action, "template", None, actor=actor, detail=detail)
