"""What a scenario found, to be shown and kept."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.proof.servers import Servers

Progress = Callable[[str], None]
Scenario = Callable[[Servers, int, float, Progress], Coroutine[Any, Any, "Figures"]]
"""Servers, seed, how many times its usual rounds, and whom to tell how far it is."""

_LONGEST_LIST = 20


@dataclass(frozen=True)
class Figure:
    """One number; ``wanted`` says in words what it had to be, nothing where it only informs."""

    what: str
    value: int | float | str
    wanted: str = ""
    holds: bool = True

    @property
    def shown(self) -> str:
        if isinstance(self.value, str):
            return self.value
        return f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:,.2f}"


@dataclass
class Figures:
    """All numbers of a scenario; ``violations`` are sentences, none of which may be."""

    seed: int
    figures: list[Figure] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, what: str, value: float | str, wanted: str = "", holds: bool = True) -> None:
        self.figures.append(Figure(what, value, wanted, holds))

    def at_most(self, what: str, value: float, limit: float) -> None:
        self.add(what, value, f"≤ {limit:g}", value <= limit)

    def none_of(self, what: str, found: Sequence[str]) -> None:
        """There are none; those that are, are told."""
        self.add(what, len(found), "0", not found)
        self.violations += [each for each in found if each not in self.violations]

    @property
    def holds(self) -> bool:
        return not self.violations and all(figure.holds for figure in self.figures)

    def lines(self, name: str) -> Iterator[str]:
        """A block of a table for people."""
        yield f"{name}  {'holds' if self.holds else 'FAILS'}  (seed {self.seed}, {self.seconds:.0f} s)"
        for figure in self.figures:
            mark = " " if figure.holds else "!"
            yield f" {mark} {figure.what:<58} {figure.shown:>14}  {figure.wanted}".rstrip()
        for violation in self.violations[:_LONGEST_LIST]:
            yield f" ! {violation}"
        if len(self.violations) > _LONGEST_LIST:
            yield f" ! and {len(self.violations) - _LONGEST_LIST} more"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}
