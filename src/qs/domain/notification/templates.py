"""Texts that a tenant wrote in the place of built-in ones, each save a version of its own."""

from dataclasses import dataclass
from datetime import datetime

from qs.domain.kernel.errors import Absent, Invalid, Problem, Refused
from qs.domain.notification.texts import BUILT_IN, KINDS, Text, TextKind, problems_of


class TemplateAbsent(Absent):
    code = "template.absent"
    sentence = "there is no text of that key and language; list the templates to see which there are"


class TemplateVersionAbsent(Absent):
    code = "template.version_absent"
    sentence = "that text has no such version here; list its versions"


class TemplateInvalid(Invalid):
    code = "template.invalid"
    sentence = "a message cannot be made of this text; correct every problem listed and save it again"


class TemplateUnusable(Refused):
    """A version that an earlier release took and this one cannot send."""

    code = "template.unusable"

    def __init__(self, version: int, problem: Problem) -> None:
        super().__init__(
            f"version {version} cannot be sent by this release ({problem.pointer} {problem.detail}), so it was not"
            " activated; save a corrected one"
        )


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One save of a text; of those of a key and language one at most is active. ``created_at`` is system time."""

    key: str
    locale: str
    version: int
    text: Text
    created_at: datetime
    created_by: str
    active: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A text as it is sent now. ``own`` is the tenant's active version, None while the built-in one is sent.

    ``problems`` are those of ``own`` in this release; where there are any the built-in text goes out.
    """

    key: str
    locale: str
    kind: TextKind
    built_in: Text
    own: TemplateVersion | None

    @classmethod
    def of(cls, key: str, locale: str, own: TemplateVersion | None = None) -> "Template":
        """Raises TemplateAbsent."""
        return cls(key, locale, kind_of(key, locale), BUILT_IN[locale][key], own)

    @property
    def version(self) -> int:
        """0 for the built-in text."""
        return 0 if self.own is None else self.own.version

    @property
    def problems(self) -> list[Problem]:
        return [] if self.own is None else problems_of(self.kind, self.own.text)

    @property
    def sent(self) -> Text:
        return self.built_in if self.own is None or self.problems else self.own.text


def kind_of(key: str, locale: str) -> TextKind:
    """Raises TemplateAbsent."""
    if locale not in BUILT_IN or key not in KINDS:
        raise TemplateAbsent
    return KINDS[key]


def read_text(kind: TextKind, subject: str, body: str) -> Text:
    """The text as it is kept: lines end in a line feed, and the last one has no end.

    Raises:
        TemplateInvalid: a message of that kind cannot be made of it.
    """
    text = Text(subject, body.replace("\r\n", "\n").rstrip("\n"))
    if problems := problems_of(kind, text):
        raise TemplateInvalid(problems)
    return text
