"""The settings of another system, key by key: what was taken becomes ours, what nobody took is listed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qs.infra.scheduler.files.showing import MASK, shown
from qs.infra.scheduler.importing.imported import Draft, Note

Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Given:
    """A value, the key as it was written, and its line if it has one."""

    value: Any
    name: str
    line: int | None


@dataclass(frozen=True, slots=True)
class ImportedSettings:
    """``document`` is a qs.yaml with secrets in clear, for a file that only its owner reads."""

    document: Mapping[str, Any]
    notes: tuple[Note, ...]

    @property
    def complete(self) -> bool:
        """Whether nobody has to do anything about it."""
        return not any(note.needs_person for note in self.notes)


def plain(name: str) -> str:
    """A dotted key without what spellings differ in: ``maxOpenConns``, ``max_open_conns`` and ``max-open-conns``."""
    return name.lower().replace("_", "").replace("-", "")


class Sheet:
    """What is given, what was taken of it, and what became of that."""

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._left = dict(given)
        self._document: dict[str, Any] = {}
        self._draft = Draft()

    def take(self, *names: str) -> Given | None:
        """The first of these that is given and not empty; all of them count as taken."""
        found = [self._left.pop(plain(name), None) for name in names]
        return next((each for each in found if each is not None and each.value not in (None, "")), None)

    def has(self, *names: str) -> bool:
        """Whether anything is left under one of these keys or sections."""
        starts = tuple(f"{plain(name)}." for name in names)
        return any(key.startswith(starts) or key in map(plain, names) for key in self._left)

    def set(self, key: str, value: Any) -> None:
        """Puts a value under a dotted key of ours."""
        *sections, word = key.split(".")
        place = self._document
        for section in sections:
            place = place.setdefault(section, {})
        place[word] = value

    def to(self, key: str, *names: str, read: Read = str) -> Any:
        """Takes one of ``names`` and puts what ``read`` makes of it under ``key``; a ValueError of it is noted."""
        if (given := self.take(*names)) is None:
            return None
        try:
            value = read(given.value)
        except ValueError as error:
            expected = str(error) or f"something that {key} can hold"
            self.note(given, f"expected {expected}", f"set {key} by hand")
            return None
        self.set(key, value)
        return value

    def nothing(
        self, why: str, *names: str, what_to_do: str = "nothing has to be done", needs_person: bool = False
    ) -> None:
        """Takes all of ``names``, and all keys in the sections among them, and says why they have no counterpart."""
        for name in names:
            start = f"{plain(name)}."
            for key in [key for key in self._left if key == start[:-1] or key.startswith(start)]:
                given = self._left.pop(key)
                if given.value not in (None, "", [], {}):
                    self.note(given, why, what_to_do, needs_person=needs_person)

    def note(self, given: Given | None, why: str, what_to_do: str, *, needs_person: bool = True) -> None:
        """Something for the person to know about a key."""
        what = "the file" if given is None else f"{given.name}: {_shown(given)}"
        self._draft.note(
            None if given is None else given.line, what, why, what_to_do, needs_person=needs_person
        )

    def add_notes(self, notes: tuple[Note, ...]) -> None:
        """Notes of another importer."""
        for note in notes:
            self._draft.note(note.line, note.what, note.why, note.what_to_do, needs_person=note.needs_person)

    def imported(self) -> ImportedSettings:
        """All of it; what nobody took has no counterpart."""
        for given in self._left.values():
            if given.value not in (None, "", [], {}):
                self.note(
                    given, "has no counterpart in qs", "leave it, or see docs/migrate for what does its work"
                )
        return ImportedSettings(self._document, self._draft.imported().notes)


def _shown(given: Given) -> str:
    # What is called no more than key is one to sign or encrypt with in settings, and seldom a secret elsewhere.
    return MASK if plain(given.name).endswith("key") else shown(given.value, given.name)
