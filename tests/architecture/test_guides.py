"""Each way to run has a guide in English and one in Chinese that say the same, and the doctor's page has every finding."""

import re
from pathlib import Path

import pytest

from qs.interface.cli.finding_codes import CODES

ROOT = Path(__file__).parents[2]
WAYS_TO_RUN = {
    "one machine with qs up": "docs/operations/one-machine",
    "systemd": "docs/operations/systemd",
    "a crontab or another scheduler": "docs/crontab/crontab",
    "compose": "docs/operations/containers",
    "Helm": "docs/operations/kubernetes-helm",
}
IN_BOTH_LANGUAGES = [
    *WAYS_TO_RUN.values(),
    *(f"docs/operations/{each}" for each in ("backup", "watching", "doctor")),
]
CHECKS = {"": "Check that it works", ".zh-CN": "检查是否正常"}

_COMMANDS = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s*(?:(?<=\s)|^)#.*$")
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_ROW = re.compile(r"^\| `([\w.]+)` \| (error|warning|note) \| (.*) \| (.*) \|$", re.MULTILINE)


def page(name: str, language: str) -> str:
    return (ROOT / f"{name}{language}.md").read_text(encoding="utf-8")


def commands(text: str) -> list[list[str]]:
    """The lines of each block of commands, without what is said about them."""
    return [
        [bare for line in block.splitlines() if (bare := _COMMENT.sub("", line))]
        for block in _COMMANDS.findall(text)
    ]


@pytest.mark.parametrize("name", IN_BOTH_LANGUAGES)
def test_a_guide_has_the_same_commands_in_both_languages(name: str) -> None:
    english, chinese = (commands(page(name, language)) for language in CHECKS)

    assert english
    assert chinese == english


@pytest.mark.parametrize("language", CHECKS)
@pytest.mark.parametrize("name", IN_BOTH_LANGUAGES)
def test_a_guide_ends_in_a_check_with_commands_and_what_they_print(name: str, language: str) -> None:
    text = page(name, language)

    last = _HEADING.findall(text)[-1]
    check = text.rpartition(f"\n## {last}\n")[2]

    assert last == CHECKS[language]
    assert commands(check)
    assert _COMMANDS.sub("", check).strip()


@pytest.mark.parametrize("name", IN_BOTH_LANGUAGES)
def test_a_guide_leads_to_the_other_language_from_its_head(name: str) -> None:
    file = Path(name).name
    english, chinese = (page(name, language).partition("\n## ")[0] for language in CHECKS)

    assert f"[中文]({file}.zh-CN.md)" in english
    assert f"[English]({file}.md)" in chinese


@pytest.mark.parametrize("way", WAYS_TO_RUN)
def test_the_page_about_running_lists_both_guides_of_each_way(way: str) -> None:
    running = page("docs/operations/running", "")
    file = Path(WAYS_TO_RUN[way]).name

    for language in CHECKS:
        assert re.search(rf"\]\((?:\.\./crontab/)?{file}{language}\.md\)", running), way


def test_the_doctors_page_has_each_finding_as_the_code_tells_it() -> None:
    rows = {
        code: (severity, means, todo)
        for code, severity, means, todo in _ROW.findall(page("docs/operations/doctor", ""))
    }

    assert rows == {code: tuple(known) for code, known in CODES.items()}


def test_the_doctors_page_in_chinese_has_each_finding_with_its_severity() -> None:
    rows = _ROW.findall(page("docs/operations/doctor", ".zh-CN"))

    assert {code: severity for code, severity, _, _ in rows} == {
        code: known.severity for code, known in CODES.items()
    }
    assert all(re.search(r"[一-鿿]", means) and todo for _, _, means, todo in rows)
