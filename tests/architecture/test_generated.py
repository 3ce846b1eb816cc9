"""What is made from the .proto file is what the file says now."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTO = Path("qs/interface/grpc/v1/plan_duties.proto")
MADE = ("plan_duties_pb2.py", "plan_duties_pb2.pyi", "plan_duties_pb2_grpc.py")


def test_the_modules_of_grpc_are_what_grpcio_tools_make_of_the_proto_file(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    kinds = ("--python_out", "--pyi_out", "--grpc_python_out")
    outputs = [f"{kind}={tmp_path}" for kind in kinds]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "src", *outputs, f"src/{PROTO}"]

    subprocess.run(command, cwd=ROOT, check=True, timeout=60)

    for name in MADE:
        kept = ROOT / "src" / PROTO.parent / name
        made = tmp_path / PROTO.parent / name
        assert kept.read_text() == made.read_text(), (
            f"make {name} anew: python -m grpc_tools.protoc -I src {' '.join(f'{kind}=src' for kind in kinds)} src/{PROTO}"
        )
