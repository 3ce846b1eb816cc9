"""A message's text, and the languages there are texts in."""

from dataclasses import dataclass

LOCALES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Text:
    """``subject`` is one line, empty where a text has none."""

    subject: str
    body: str


def locale_of(*wishes: str | None) -> str:
    """The first of the wishes, such as ``zh_CN`` or ``en-GB``, that there are texts for; else English."""
    for wish in wishes:
        language = (wish or "").lower().replace("_", "-").split("-")[0]
        if language in LOCALES:
            return language
    return "en"
