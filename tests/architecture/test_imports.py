"""Imports point inward, and the contracts that say so notice when one does not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]

# One wrong import per contract of pyproject.toml, in a file that does not exist.
VIOLATIONS = {
    "imports point inward": ("src/qs/application/plan", "import qs.infra.plan.tables"),
    "the HTTP interface reaches infrastructure only through the container": (
        "src/qs/interface/rest",
        "import qs.infra.postgres.engine",
    ),
    "nothing in qs knows the workers": ("src/qs/interface/cli", "import workers.cron"),
    "only the container knows the DI library": ("src/qs/infra/redis", "import dependency_injector"),
    "kernels know no context": ("src/qs/domain/kernel", "import qs.domain.plan.events"),
    "the plan context stands alone": ("src/qs/domain/plan", "import qs.domain.identity.scopes"),
    "the scheduler context stands alone": ("src/qs/infra/scheduler", "import qs.infra.plan.tables"),
    "the notification context stands alone": (
        "src/qs/application/notification",
        "import qs.application.identity",
    ),
    "the webhook context stands alone": (
        "src/qs/application/webhook",
        "import qs.domain.notification.retrying",
    ),
    "the identity context stands alone": ("src/qs/application/identity", "import qs.domain.scheduler"),
}


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{directory / 'src'}{os.pathsep}{directory}"}
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())",
    ]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", directory / "src", ignore=ignored)
    shutil.copytree(ROOT / "workers", directory / "workers", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def test_every_import_keeps_the_contracts(copy: Path) -> None:
    found = lint(copy)

    assert found.returncode == 0, found.stdout


def test_every_contract_notices_the_import_it_forbids(copy: Path) -> None:
    for number, (package, statement) in enumerate(VIOLATIONS.values()):
        (copy / package / f"wrong_{number}.py").write_text(f"{statement}\n")

    found = lint(copy)

    assert set(re.findall(r"^(.+) BROKEN", found.stdout, re.MULTILINE)) == set(VIOLATIONS)


def test_the_domain_imports_nothing_but_the_standard_library() -> None:
    graph = grimp.build_graph("qs", include_external_packages=True)

    foreign = {
        (module, imported)
        for module in ["qs.domain", *graph.find_descendants("qs.domain")]
        for imported in graph.find_modules_directly_imported_by(module)
        if not imported.startswith("qs.domain") and imported.partition(".")[0] not in sys.stdlib_module_names
    }

    assert foreign == set()


def test_the_domain_waits_for_nothing() -> None:
    waiting = [
        path.relative_to(ROOT)
        for path in (ROOT / "src/qs/domain").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(("async ", "await "))
    ]

    assert waiting == []
