"""Which of our languages a caller reads (RFC 9110 §12.5.4)."""

from functools import lru_cache
from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

_LONGEST = 200


@lru_cache(256)
def preferred(accept_language: str, default: Language = "en") -> Language:
    """The language of ours the header weighs highest, the earlier of two equals; ``default`` when it names neither."""
    best: tuple[float, Language] | None = None
    for entry in accept_language[:_LONGEST].split(","):
        tag, _, parameters = entry.strip().partition(";")
        weight = _weight(parameters)
        language = _ours(tag.strip().lower(), default)
        if language is not None and weight > 0 and (best is None or weight > best[0]):
            best = (weight, language)
    return best[1] if best else default


def _ours(tag: str, default: Language) -> Language | None:
    if tag == "*":
        return default
    primary = tag.partition("-")[0]
    return next((language for language in LANGUAGES if language == primary), None)


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return max(0.0, min(1.0, float(value)))
    except ValueError:
        return 0.0
