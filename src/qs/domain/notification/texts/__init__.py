"""What messages say, in Chinese and English: built in, and as tenants wrote them."""

from qs.domain.notification.texts.catalogue import (
    KINDS,
    LONGEST_BODY,
    LONGEST_SUBJECT,
    VARIABLES,
    TextKind,
)
from qs.domain.notification.texts.checking import problems_of
from qs.domain.notification.texts.composing import (
    BUILT_IN,
    Composed,
    OwnText,
    OwnTexts,
    Unusable,
    compose,
)
from qs.domain.notification.texts.sms import SUFFIX as SMS_SUFFIX
from qs.domain.notification.texts.text import LOCALES, Text, locale_of

__all__ = [
    "BUILT_IN",
    "KINDS",
    "LOCALES",
    "LONGEST_BODY",
    "LONGEST_SUBJECT",
    "SMS_SUFFIX",
    "VARIABLES",
    "Composed",
    "OwnText",
    "OwnTexts",
    "Text",
    "TextKind",
    "Unusable",
    "compose",
    "locale_of",
    "problems_of",
]
