"""Whatever fits or breaks the published schema, the service answers as the schema says and never with a 500."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

_SECONDS = int(os.environ.get("QS_FUZZ_SECONDS", "1500"))

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(_SECONDS + 120)]

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "missing_required_header",
)
_MORE_CHECKS = ("use_after_free", "ensure_resource_availability", "negative_data_rejection")
_EXAMPLES = os.environ.get("QS_FUZZ_EXAMPLES", "25")
_HALF = r"^/api/v1/(scheduler|admin|plans)(/|$)"
_LONG = os.environ.get("QS_FUZZ_LONG") == "1"
# It knows no refusal of a URL that is too long, or of a state.
_CONFIG = """\
[checks]
negative_data_rejection.expected-statuses = ["4xx", "5xx"]
"""


# Whoever generates requests keeps one core busy, so that two of them, with half of the operations each, take half of the time.
@pytest.mark.parametrize("which", ["include", "exclude"], ids=("the first half", "the other half"))
def test_every_operation_answers_as_its_schema_says(
    service: str, token: str, tmp_path: Path, which: str
) -> None:
    _run(service, token, tmp_path, ("examples", "coverage", "fuzzing"), f"--{which}-path-regex", _HALF)


if _LONG:

    def test_sequences_of_calls_are_answered_as_their_schema_says(
        service: str, token: str, tmp_path: Path
    ) -> None:
        """As many as there is time for, since with a time they are repeated until it is over."""
        _run(service, token, tmp_path, ("stateful",), "--max-time", str(_SECONDS // 4))


def _run(service: str, token: str, folder: Path, phases: Iterable[str], *more: str) -> None:
    """Prints what the run says that it did, nothing of which may be a finding."""
    (folder / "schemathesis.toml").write_text(_CONFIG)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{service}/schema/openapi.json"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--checks", ",".join((*_CHECKS, *(_MORE_CHECKS if _LONG else ())))),
            *("--max-examples", _EXAMPLES),
            *("--phases", ",".join(phases)),
            *("--workers", "1", "--request-timeout", "30", "--no-color", "--seed", "20061"),
            *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
            *more,
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    summary = done.stdout[done.stdout.rfind(" SUMMARY ") :]
    sys.stdout.write(f"\n{summary}\n")
    assert "passed" in summary, done.stdout[-2_000:]
