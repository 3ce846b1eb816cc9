"""What a message would say, shown before anybody gets it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from qs.application.notification.template_ports import (
    ScaleMentions,
    TaskSample,
    TaskSamples,
    TemplateUnitOfWorkFactory,
)
from qs.domain.notification.templates import Template, kind_of, read_text
from qs.domain.notification.texts import VARIABLES, OwnText, Text, compose

PLACEHOLDER_LINK = "https://example.invalid/the-personal-link"
"""Stands for the link in every preview: nobody can answer through it."""

_SAMPLE_NAME = {"zh": "张**", "en": "A**"}
_SAMPLE_PERIOD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Draft:
    """What to try in the place of what is sent now; None leaves that part as it is."""

    subject: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """``scales`` are the codes of scales that the message names, which a neutral one does not."""

    subject: str
    body: str
    scales: Sequence[str]


class TemplatePreviewing:
    """``timezone`` is the zone of a made-up task."""

    def __init__(
        self,
        unit_of_work: TemplateUnitOfWorkFactory,
        scales: ScaleMentions,
        tasks: TaskSamples,
        *,
        timezone: str,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._scales = scales
        self._tasks = tasks
        self._timezone = timezone

    async def preview(
        self, tenant_id: UUID, key: str, locale: str, draft: Draft, task_id: UUID | None = None
    ) -> Preview:
        """The message about that task, or about a made-up one, with a link that leads nowhere and a masked name.

        Raises:
            TemplateAbsent: there is no text of that key and language.
            TemplateInvalid: no message can be made of the draft.
            TaskAbsent: there is no such task.
        """
        kind_of(key, locale)
        async with self._unit_of_work(tenant_id) as uow:
            active = {each.key: each for each in await uow.templates.all_active() if each.locale == locale}
            now = uow.now
        own = {each.key: OwnText(each.version, each.text) for each in active.values()}
        template = Template.of(key, locale, active.get(key))
        if draft != Draft():
            own[key] = OwnText(template.version + 1, _drafted(template, draft))
        task = await self._tasks.find(tenant_id, task_id) if task_id else self._made_up(locale)
        expires_at = task.expires_at or now + _SAMPLE_PERIOD
        made = compose(
            key,
            locale,
            name=_name(key, locale, task),
            values=_values(task, task_id),
            link=PLACEHOLDER_LINK,
            links=(PLACEHOLDER_LINK, PLACEHOLDER_LINK),
            expires_at=expires_at,
            left=expires_at - now,
            timezone=task.timezone,
            own=own,
        )
        scales = await self._scales.mentioned(tenant_id, f"{made.subject}\n{made.body}")
        return Preview(made.subject, made.body, scales)

    def _made_up(self, locale: str) -> TaskSample:
        return TaskSample(None, self._timezone, None, _SAMPLE_NAME[locale])


def _drafted(template: Template, draft: Draft) -> Text:
    sent = template.sent
    return read_text(
        template.kind,
        sent.subject if draft.subject is None else draft.subject,
        sent.body if draft.body is None else draft.body,
    )


def _values(task: TaskSample, task_id: UUID | None) -> dict[str, str]:
    values = {name: variable.sample for name, variable in VARIABLES.items() if variable.sample}
    if task_id is not None:
        values |= {"task_id": str(task_id), "plan_id": str(task.plan_id)}
    return values


def _name(key: str, locale: str, task: TaskSample) -> str | None:
    """Whose greeting it is: staff have no name, a guardian's and that of the greeting itself are made up."""
    if key.startswith("alert_") or "_staff" in key or key == "greeting_nameless":
        return None
    if key == "greeting" or "_guardian" in key:
        return _SAMPLE_NAME[locale]
    return task.name
