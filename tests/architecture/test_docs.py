"""What the documents say of the code is true of the code."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from qs.domain.identity.scopes import PLATFORM_SCOPES, ROLES, SCOPES
from qs.domain.plan import events
from qs.interface.cli.main import VERBS
from qs.settings.keys import all_keys, all_sections
from qs.settings.sources import SHORT_FORMS

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
OPERATIONS = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "operations").glob("*.md"))
)


@pytest.mark.parametrize("event", events.ALL_EVENTS, ids=lambda event: event.name)
def test_the_event_table_names_every_event_with_the_fields_it_adds(event: Any) -> None:
    table = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    common = {field.name for base in event.__mro__[1:-1] for field in fields(base)}

    row = re.search(rf"^\| `{event.name}` \|.*$", table, re.MULTILINE)

    assert row is not None
    for field in fields(event):
        assert field.name in common or f"`{field.name}`" in row[0]


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8"))

    missing = [link for link in links if not (document.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_verb_and_file_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    in_blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    verbs = set(re.findall(r"^qs ([a-z][a-z-]+)", "\n".join(in_blocks), re.MULTILINE))
    verbs |= set(re.findall(r"`qs ([a-z][a-z-]+)", text))
    paths = set(re.findall(r"`((?:src|tests|application|domain|infra|docs)/[\w/.-]+\.(?:py|md))`", text))

    assert verbs <= set(VERBS)
    assert [
        path for path in paths if not (ROOT / path).exists() and not (ROOT / "src/qs" / path).exists()
    ] == []


def test_both_readmes_name_the_two_commands() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "make demo" in text
        assert "make test" in text


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_every_decision_names_tests_that_exist(decision: Path) -> None:
    enforced_by = decision.read_text(encoding="utf-8").partition("**Enforced by**")[2]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", enforced_by)

    assert named
    for path, test in named:
        written = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(async )?def {test}\(", written, re.MULTILINE), f"{path}::{test}"


@pytest.mark.parametrize("variable", SHORT_FORMS)
def test_every_short_form_of_a_setting_is_documented_beside_its_key(variable: str) -> None:
    section, _, word = SHORT_FORMS[variable].rpartition(".")

    # A table of something else may have a row that names it, too.
    rows = re.findall(rf"^\|.*`{variable}`.*$", OPERATIONS, re.MULTILINE)

    assert any((f".{word}`" if section else f"`{word}`") in row for row in rows)


@pytest.mark.parametrize("section", sorted(all_sections()))
def test_every_section_of_the_settings_is_documented_with_its_keys(section: str) -> None:
    words = [name.removeprefix(f"{section}.") for name in all_keys() if name.rpartition(".")[0] == section]

    # A table of something else may have a row of that name.
    rows = re.findall(rf"^\| `{re.escape(section)}` \|.*$", OPERATIONS, re.MULTILINE)

    assert [] in [[word for word in words if f"`{word}`" not in row] for row in rows]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_documented_with_its_scopes(role: str) -> None:
    row = re.search(rf"^\| `{role}` \|(.*)\|$", _of_roles("## Roles"), re.MULTILINE)

    assert row is not None
    assert set(re.findall(r"`([\w:]+)`", row[1])) == ROLES[role]


def test_every_scope_is_documented_with_who_may_hold_it() -> None:
    rows = re.findall(r"^\| `([\w:]+)` \| (.+) \| (yes|) *\|$", _of_roles("## Scopes"), re.MULTILINE)

    assert {scope: allows for scope, allows, _ in rows} == SCOPES
    assert {scope for scope, _, platform in rows if platform} == PLATFORM_SCOPES


def _of_roles(heading: str) -> str:
    text = (ROOT / "docs" / "operations" / "roles.md").read_text(encoding="utf-8")
    return text.partition(heading)[2].partition("\n## ")[0]
