"""What pages say, in every language: ``words/<subject>.toml`` holds each phrase with its translations side by side.

::

    [expired]
    en = "{n} tasks expired"
    en_one = "{n} task expired"
    zh = "{n} 个任务已过期"

A page says ``t("today.expired", n=3)``: the file, then the phrase.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from qs.interface.rest.languages import Language

Phrase = Mapping[str, str]


class WordsMissing(LookupError):
    """A page says something that no file of words has."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there are no words for {key!r}; write them in words/{key.partition('.')[0]}.toml")


def say(language: Language, key: str, /, **values: object) -> str:
    """The phrase in that language, with ``values`` in it; ``n`` of 1 takes the singular where there is one.

    Raises:
        WordsMissing
    """
    phrase = phrases().get(key)
    if phrase is None:
        raise WordsMissing(key)
    words = phrase[language]
    if values.get("n") == 1:
        words = phrase.get(f"{language}_one", words)
    return words.format(**values) if values else words


def has(key: str) -> bool:
    """Whether there are words for it."""
    return key in phrases()


@cache
def phrases() -> Mapping[str, Phrase]:
    """Every phrase by its key."""
    return dict(_read())


def _read() -> Iterator[tuple[str, Phrase]]:
    for file in files("qs.interface.dashboard").joinpath("words").iterdir():
        if file.name.endswith(".toml"):
            subject = file.name.removesuffix(".toml")
            for name, phrase in tomllib.loads(file.read_text("utf-8")).items():
                yield f"{subject}.{name}", phrase
