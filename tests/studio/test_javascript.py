"""The scripts of the page have types, which TypeScript checks."""

import shutil
import subprocess
from pathlib import Path

import pytest

from colonnade.studio._studio import STATIC

pytestmark = pytest.mark.slow


def test_the_types_of_the_scripts_hold(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node.js is not installed")
    install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", ".",
               "typescript@5"]  # fmt: skip
    try:
        subprocess.run([npm, *install], cwd=tmp_path, capture_output=True, timeout=90, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        pytest.skip(f"TypeScript cannot be installed: {error}")
    compiler = tmp_path / "node_modules/.bin/tsc"
    checked = subprocess.run(
        [compiler, "-p", STATIC / "jsconfig.json"], capture_output=True, text=True, check=False
    )
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_every_script_is_checked_and_none_is_large() -> None:
    scripts = sorted((STATIC / "js").glob("*.js"))
    assert scripts
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert "@ts-ignore" not in text, script
        assert "@ts-nocheck" not in text, script
        assert "innerHTML" not in text, script
        assert len(text.splitlines()) < 480, script
