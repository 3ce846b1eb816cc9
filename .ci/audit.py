"""Asks whether a locked dependency has a known vulnerability, and says so plainly when nobody could be asked.

pip-audit ends well when it skipped everything, and badly when it skipped anything, so its report is read instead.
When nobody could be asked this ends with 3 if it was called with --strict, else with 0.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = Path(sys.executable).with_name("pip-audit")
NOT_DONE = 3


def main(arguments: list[str]) -> int:
    code = audit()
    return 0 if code == NOT_DONE and "--strict" not in arguments else code


def audit() -> int:
    """The exit code: that of the verdict, or ``NOT_DONE`` when there is no report to judge."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        command = [PIP_AUDIT, "--requirement", ROOT / "requirements.lock", *options, "--output", report]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            reason = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
            print(f"audit: NOT DONE, the dependencies were not audited ({reason[:300]})", file=sys.stderr)
            return NOT_DONE
        dependencies = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    return judge(dependencies)


def judge(dependencies: list[dict[str, object]]) -> int:
    """1 for a known vulnerability, or for a gap in an audit that reached its source; ``NOT_DONE`` if it did not."""
    skipped = [each for each in dependencies if "skip_reason" in each]
    vulnerable = [each for each in dependencies if each.get("vulns")]
    for each in vulnerable:
        ids = ", ".join(str(finding["id"]) for finding in each["vulns"])  # type: ignore[attr-defined]
        print(f"audit: {each['name']} {each['version']} has {ids}", file=sys.stderr)
    if len(skipped) == len(dependencies):
        print(
            "audit: NOT DONE, the source of vulnerabilities knows none of the dependencies", file=sys.stderr
        )
        return NOT_DONE
    for each in skipped:
        print(f"audit: {each['name']} was skipped ({each['skip_reason']})", file=sys.stderr)
    if not vulnerable and not skipped:
        print(f"audit: {len(dependencies)} dependencies, no known vulnerability")
    return 1 if vulnerable or skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
