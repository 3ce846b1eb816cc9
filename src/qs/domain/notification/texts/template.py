"""The format of texts: ``{name}`` stands for a value, ``{{`` and ``}}`` for braces, and there is nothing else.

It has no attributes, indexes, conversions or format specifications, so a text can show what it is given and no more.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PIECE = re.compile(
    r"(?P<brace>\{\{|\}\})|\{(?P<name>[a-z][a-z0-9_]{0,39})\}|(?P<wrong>\{[^{}\n]{0,40}\}?|\})"
)


class TemplateBroken(ValueError):
    """A text that cannot be rendered: it is no template, or uses a value there is none of."""


@dataclass(frozen=True, slots=True)
class Slip:
    """A brace that neither begins a variable nor is doubled; ``position`` counts characters from 0."""

    position: int


@dataclass(frozen=True, slots=True)
class Use:
    """A variable in a text; ``position`` counts characters from 0."""

    position: int
    name: str


def uses(template: str) -> Iterator[Use | Slip]:
    """The variables of a template and what is wrong in it, in their order."""
    for piece in _PIECE.finditer(template):
        if piece["wrong"] is not None:
            yield Slip(piece.start())
        elif piece["name"] is not None:
            yield Use(piece.start(), piece["name"])


def render(template: str, values: Mapping[str, str]) -> str:
    """The template with its values, each put in once: braces in a value stay as they are.

    Raises:
        TemplateBroken: the template is malformed, or one of its variables has no value.
    """

    def filled(piece: re.Match[str]) -> str:
        if piece["brace"] is not None:
            return piece["brace"][0]
        if piece["wrong"] is not None:
            raise TemplateBroken(f"{piece['wrong']} is no variable")
        if piece["name"] not in values:
            raise TemplateBroken(f"{{{piece['name']}}} has no value here")
        return values[piece["name"]]

    return _PIECE.sub(filled, template)
