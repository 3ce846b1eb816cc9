"""What a picture of figures is made of, and the port to whatever draws it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from qs.application.statistics.following import SurvivalView
from qs.application.statistics.picture_words import ENGLISH, Words
from qs.domain.statistics.metrics import Counts
from qs.domain.statistics.rates import Rate


@dataclass(frozen=True, slots=True)
class Heading:
    """Of whom the figures are (``subject``), as of when, and in which zone dates are counted."""

    subject: str
    as_of: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Trend:
    """Opened, completed, expired and missed tasks of each civil date."""

    heading: Heading
    days: Mapping[date, Counts]


@dataclass(frozen=True, slots=True)
class CompletionByDay:
    """The part of the tasks closed on each civil date that was completed."""

    heading: Heading
    days: Mapping[date, Counts]


@dataclass(frozen=True, slots=True)
class CompletionByOccasion:
    """The part of the closed tasks of each occasion (seq) of a plan that was completed."""

    heading: Heading
    occasions: Mapping[int, Rate]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long people stay in a plan."""

    heading: Heading
    survival: SurvivalView


Chart = Trend | CompletionByDay | CompletionByOccasion | Retention


class Theme(StrEnum):
    """The ground a picture stands on."""

    LIGHT = "light"
    DARK = "dark"


class FileKind(StrEnum):
    SVG = "svg"
    PNG = "png"


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is made: on which ground, in whose words, as which kind of file."""

    theme: Theme = Theme.LIGHT
    words: Words = ENGLISH
    kind: FileKind = FileKind.SVG


@dataclass(frozen=True, slots=True)
class Drawn:
    """The file. It is not whole where no font here has all the characters of a PNG; an SVG holds them as text."""

    content: bytes
    is_whole: bool


class Drawing(Protocol):
    """A drawing library."""

    def missing(self) -> str | None:
        """How to get it where it is not installed, else None; it is not loaded for that."""
        ...

    async def draw(self, chart: Chart, look: Look) -> Drawn:
        """The same bytes for the same chart and look. Raises DrawingMissing, DrawingBusy."""
        ...
