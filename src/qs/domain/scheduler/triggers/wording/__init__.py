"""A trigger in words, in the languages of the interface."""

from typing import Literal

from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.trigger import Trigger
from qs.domain.scheduler.triggers.wording.chinese import Chinese
from qs.domain.scheduler.triggers.wording.english import English

Language = Literal["en", "zh"]

_LANGUAGES: dict[Language, Phrases] = {"en": English(), "zh": Chinese()}


def words(trigger: Trigger, language: Language) -> str:
    """When the trigger fires, in one phrase: "Mon–Fri at 09:00 Asia/Shanghai"."""
    return trigger.words(_LANGUAGES[language])
