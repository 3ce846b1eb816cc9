"""What the template routes take and answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from qs.application.notification.template_authoring import SavedTemplate
from qs.application.notification.template_previewing import Preview
from qs.domain.notification.templates import Template, TemplateVersion
from qs.domain.notification.texts import LONGEST_BODY, LONGEST_SUBJECT, VARIABLES
from qs.interface.rest.bodies import Body
from qs.interface.rest.plan.examples import SOME_ID, a_body_like

Subject = Annotated[
    str, Meta(max_length=LONGEST_SUBJECT, description="One line; empty where the text has none.")
]
Content = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_BODY,
        description="`{name}` stands for a value, `{{` and `}}` for braces; all else is plain text.",
    ),
]
ScalesNamed = Annotated[
    Sequence[str], Meta(description="Codes of scales that the text names, which a neutral one does not.")
]


class TextBody(Body):
    """A text in the place of the built-in one."""

    body: Content
    subject: Subject = ""


class VersionChoice(Body):
    """Which version is to take effect."""

    version: Annotated[int, Meta(ge=1, le=2_147_483_647)]


class DraftBody(Body):
    """What to try, each part in the place of what is sent now; and with which task, else a made-up one."""

    subject: Subject | None = None
    body: Content | None = None
    task_id: UUID | None = None


_AN_INVITATION = "{greeting}\n\nWe would like to hear how you are: {link}\n\nYou can answer until {expires}."
TextRequest = Annotated[TextBody, a_body_like(subject="A few questions for you", body=_AN_INVITATION)]
ActivationRequest = Annotated[VersionChoice, a_body_like(version=1)]
PreviewRequest = Annotated[DraftBody, a_body_like(body=_AN_INVITATION, task_id=SOME_ID)]


class TextView(Struct):
    subject: str
    body: str


class VariableView(Struct):
    """A value that the text may show; what is not for subjects is for the body only."""

    name: str
    description: str
    required: bool
    in_subject: bool


class FaultView(Struct):
    pointer: str
    detail: str


class TemplateView(Struct, kw_only=True):
    """A text as the tenant wrote it, else as it is built in."""

    key: Annotated[str, Meta(examples=["task_opened"])]
    locale: Annotated[str, Meta(examples=["zh"])]
    purpose: str
    version: Annotated[int, Meta(description="0 while the built-in text is sent.")]
    subject: str
    body: str
    saved_at: datetime | None
    saved_by: str | None
    problems: Annotated[
        list[FaultView],
        Meta(description="Why this release cannot send it, and sends the built-in one instead."),
    ]
    built_in: TextView
    variables: list[VariableView]
    has_subject: bool
    longest_body: int

    @classmethod
    def of(cls, template: Template) -> "TemplateView":
        return cls(**_shown(template))


class SavedTemplateView(TemplateView, kw_only=True):
    """A text as it was saved; it is sent all the same when it names a scale."""

    scales_named: ScalesNamed

    @classmethod
    def of_saved(cls, saved: SavedTemplate) -> "SavedTemplateView":
        return cls(**_shown(saved.template), scales_named=saved.scales)


class VersionView(Struct):
    """One save of a text."""

    version: int
    active: bool
    subject: str
    body: str
    saved_at: datetime
    saved_by: str

    @classmethod
    def of(cls, saved: TemplateVersion) -> "VersionView":
        at = saved.created_at.astimezone(UTC)
        return cls(saved.version, saved.active, saved.text.subject, saved.text.body, at, saved.created_by)


class PreviewView(Struct):
    """A message as it would go out, but for the link, which leads nowhere, and the name, which is masked."""

    subject: str
    body: str
    scales_named: ScalesNamed

    @classmethod
    def of(cls, preview: Preview) -> "PreviewView":
        return cls(preview.subject, preview.body, preview.scales)


def _shown(template: Template) -> dict[str, Any]:
    kind, own = template.kind, template.own
    text = template.built_in if own is None else own.text
    return {
        "key": template.key,
        "locale": template.locale,
        "purpose": kind.purpose,
        "version": template.version,
        "subject": text.subject,
        "body": text.body,
        "saved_at": None if own is None else own.created_at.astimezone(UTC),
        "saved_by": None if own is None else own.created_by,
        "problems": [FaultView(each.pointer, each.detail) for each in template.problems],
        "built_in": TextView(template.built_in.subject, template.built_in.body),
        "variables": [
            VariableView(
                name,
                VARIABLES[name].description,
                name in kind.required,
                kind.has_subject and VARIABLES[name].in_subject,
            )
            for name in sorted(kind.variables)
        ],
        "has_subject": kind.has_subject,
        "longest_body": kind.longest_body,
    }
