"""Every boundary of the work can be made to fail by a test, and none of them by anything else."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from qs.application.kernel import crash

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "src/qs").rglob("*.py"), *(ROOT / "workers").rglob("*.py")])
# What leaves the process for somebody who acts on it, by the port it leaves through.
OUTWARD = {
    ("_streams", "publish"),
    ("_channel", "send"),
    ("_broker", "publish"),
    ("_receiver", "post"),
    ("_counters", "add"),
    ("_counters", "install"),
    ("_reader", "acknowledge"),
}


def test_every_commit_of_a_unit_of_work_names_its_boundary_and_no_other_has_the_name():
    names = []
    for path, call in calls("commit"):
        at = call.args[-1] if call.args else None
        # The infrastructure hands on the name it was given.
        if path.parts[-3:-1] == ("infra", "postgres") and not isinstance(at, ast.Constant):
            continue
        assert isinstance(at, ast.Constant), where(path, call)
        names.append(str(at.value))

    assert len(names) > 60
    assert [name for name, times in Counter(names).items() if times > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", name)] == []


def test_connections_commit_in_one_place_between_its_two_points():
    committing = [
        path.name for path, call in calls("commit") if not call.args and path.parts[-2] != "migrations"
    ]
    begun = [
        where(path, call) for path, call in calls("begin") if not call.args and "migrat" not in str(path)
    ]

    assert committing == ["committing.py"]
    # `engine.begin()` commits by itself, past the points.
    assert begun == []
    source = (ROOT / "src/qs/infra/postgres/committing.py").read_text()
    assert re.search(r"before_commit.*connection\.commit\(\).*after_commit", source, re.DOTALL)


def test_whatever_leaves_the_process_does_so_between_two_points():
    found = set()
    for path, function in functions():
        lines = {
            (node.func.value.attr, node.func.attr): node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Attribute)
            and (node.func.value.attr, node.func.attr) in OUTWARD
        }
        hits = [node.lineno for node in ast.walk(function) if is_hit(node)]
        for port, line in lines.items():
            assert any(hit < line for hit in hits), f"{path}:{line} has no point before it"
            assert any(hit > line for hit in hits), f"{path}:{line} has no point after it"
            found.add(port)

    assert found == OUTWARD


def test_no_two_places_share_a_point():
    points = [
        node.args[0].value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if is_hit(node) and isinstance(node.args[0], ast.Constant)
    ]

    assert points
    assert [point for point, times in Counter(points).items() if times > 1] == []


def test_an_unarmed_point_returns_at_once_and_changes_nothing():
    passing = crash.hit("sweep.after_outbox")

    with pytest.raises(StopIteration):
        passing.send(None)
    assert crash._trap is None


async def test_an_armed_point_is_disarmed_again_whatever_happens_in_between():
    class Fault(Exception):
        pass

    async def fail(point: str) -> None:
        raise Fault(point)

    with pytest.raises(Fault, match=re.escape("sweep.after_outbox")), crash.armed(fail):
        await crash.hit("sweep.after_outbox")
    await crash.hit("sweep.after_outbox")


def test_nothing_in_the_service_arms_a_point():
    home = ROOT / "src/qs/application/kernel/crash.py"
    arming = [
        str(path)
        for path in SOURCES
        if path != home and re.search(r"crash\.(?!hit\b)\w|crash import|armed\(|_trap\b", path.read_text())
    ]

    assert arming == []
    # Neither a setting nor a variable reaches it, since it reads none.
    assert not re.search(r"environ|getenv|settings", home.read_text())


def test_no_variable_of_the_environment_arms_a_point():
    program = (
        "import qs.container, workers.cron, workers.relay, workers.notifications, workers.statistics\n"
        "from qs.application.kernel import crash\n"
        "assert crash._trap is None"
    )
    variables = {"QS_CRASH": "kill", "QS_CRASH__POINT": "sweep.after_outbox", "PYTHONPATH": str(ROOT)}

    subprocess.run([sys.executable, "-c", program], env=variables, check=True, timeout=60)


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """The calls of a method or a function of that name."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name in (
                getattr(node.func, "attr", None),
                getattr(node.func, "id", None),
            ):
                yield path, node


def functions() -> Iterator[tuple[Path, ast.AsyncFunctionDef]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef):
                yield path, node


def is_hit(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "hit"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "crash"
    )


def where(path: Path, call: ast.Call) -> str:
    return f"{path.relative_to(ROOT)}:{call.lineno}"
