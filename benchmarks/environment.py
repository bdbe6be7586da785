"""``python -m benchmarks.environment [FOLDER]``: an environment with mlc and all its peers.

The peers are large and pin each other's versions, so they stay out of the development environment.
The folder is beside the repository unless told; what is there already is completed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NEEDED = Path(__file__).with_name("peers.txt")
PYTHON = Path("Scripts/python.exe") if os.name == "nt" else Path("bin/python")


def main() -> None:
    """Make it, and say how it is used."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY.parent / "peers"
    python = folder / PYTHON
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", str(NEEDED), "-e", str(REPOSITORY)], check=True)
    print(f"{python} -m benchmarks.programs")


if __name__ == "__main__":
    main()
