"""What is installed from the wheel serves the same page as the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_every_file_of_the_page(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    files = {path for path in (ROOT / "gateway/web").rglob("*") if path.is_file()}

    packed = set(ZipFile(wheel).namelist())

    assert {str(path.relative_to(ROOT)) for path in files} <= packed
