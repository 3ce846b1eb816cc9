"""What the documents say of the code is true of the code."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from qs.domain.plan import events
from qs.interface.cli.main import VERBS

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


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
