"""What is wrong with the settings, all of it at once."""

from collections.abc import Iterable

from qs.domain.kernel.errors import Invalid, Problem


class SettingsError(Invalid):
    """The settings cannot be used, so nothing starts; each problem names its key and what is expected there."""

    code = "settings.invalid"

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        found = [Problem(key, detail) for key, detail in problems]
        lines = "".join(f"\n  {problem.pointer}: {problem.detail}" for problem in found)
        super().__init__(found, f"the settings cannot be used, so nothing was started; correct them:{lines}")
