"""Every statement that touches rows of tenants names the tenant itself, whatever the policies of the database hide."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.laws.borders import TABLES

INFRA = Path(__file__).parents[2] / "src/qs/infra"
SOURCES = sorted(path for path in INFRA.rglob("*.py") if "migrations" not in path.parts)
# By reason. Such a role has grants and policies of its own, and no statement of a request is ever carried out as one.
AS_A_ROLE_THAT_LOOKS_ACROSS_TENANTS = {
    "notification/delivery_conditions.py",
    "postgres/audit_sealing.py",
    "postgres/event_backlog.py",
    "postgres/forwarding_outbox.py",
    "postgres/outbox_relay.py",
    "postgres/outbox_republishing.py",
    "postgres/retention.py",
    "scheduler/conditions.py",
    "scheduler/nodes.py",
}
# Tried by test_route_matrix.py with the policies out of the way.
CONDITION_IS_PUT_TOGETHER = {
    "plan/tasks.py",
    "scheduler/jobs.py",
    "scheduler/runs.py",
    "statistics/books.py",
}
# The row it is joined to was chosen by its tenant, in the text that is put in here.
JOINED_TO_ITS_OWN = {
    "SELECT {} FROM taken JOIN outbox o ON o.id = taken.event_id ORDER BY o.position",
    "AND o.publications = 1 AND NOT EXISTS (SELECT FROM inbox_attempt a WHERE a.subscriber = :subscriber"
    " AND a.event_id = o.id)",
}
# A limit of a queue holds for all tenants together; it is a number that leaves nothing but room.
COUNTS_FOR_EVERYBODY = {
    "SELECT queue, count(*) AS running FROM job_execution WHERE status = 'running'"
    " AND queue = ANY(CAST(:queues AS text[])) GROUP BY queue",
}
_TOUCHES = re.compile(rf"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(?:ONLY\s+)?(?:{'|'.join(sorted(TABLES))})\b")
_NAMES_TENANT = re.compile(r"\btenant_id\b|:tenant\b")
_LOOKS_ACROSS = re.compile(r"SET LOCAL ROLE|set_config\('role'")


def test_every_statement_names_its_tenant() -> None:
    found = list(statements())
    silent = [(file, text) for file, text in found if not _NAMES_TENANT.search(text)]

    assert len(found) > 100
    excused = AS_A_ROLE_THAT_LOOKS_ACROSS_TENANTS | CONDITION_IS_PUT_TOGETHER
    assert [
        f"{file}: {text[:160]}"
        for file, text in silent
        if file not in excused and text not in JOINED_TO_ITS_OWN | COUNTS_FOR_EVERYBODY
    ] == []
    # An excuse that nobody needs any more would excuse the next one.
    assert excused - {file for file, _ in silent} == set()
    assert (JOINED_TO_ITS_OWN | COUNTS_FOR_EVERYBODY) - {text for _, text in silent} == set()


@pytest.mark.parametrize("file", sorted(AS_A_ROLE_THAT_LOOKS_ACROSS_TENANTS))
def test_what_looks_across_tenants_does_so_as_another_role(file: str) -> None:
    assert _LOOKS_ACROSS.search((INFRA / file).read_text())


def test_what_names_no_tenant_is_found() -> None:
    tree = ast.parse(
        "a = text('DELETE FROM inbox_attempt WHERE ' 'event_id = :id')\nb = f'SELECT {x} FROM task'"
    )

    assert {text for text in texts_of(tree) if _TOUCHES.search(text)} == {
        "DELETE FROM inbox_attempt WHERE event_id = :id",
        "SELECT {} FROM task",
    }


def statements() -> Iterator[tuple[str, str]]:
    """(file, text with single blanks) of whatever in the code reads or writes a table of tenants."""
    for path in SOURCES:
        for text in texts_of(ast.parse(path.read_text())):
            if _TOUCHES.search(text):
                yield str(path.relative_to(INFRA)), text


def texts_of(tree: ast.AST) -> Iterator[str]:
    """All texts of a module; what is put into one stands as ``{}``."""
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(each) for each in node.values}
            text = "".join(
                str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        else:
            continue
        yield " ".join(text.split())
