"""The newcomer's clock: from nothing to a picture with forecasts of a table of one's own, `python -m tests.newcomer`.

A fresh clone and a fresh virtual environment, an empty compile cache, a warm cache of pip; the commands are those of
the README, in the order in which they stand there. Prints how long each took, the whole (`newcomer.cold.s`) and the
longest time without a word.
"""

import json
import math
import os
import re
import selectors
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = 6000


def table(path: Path) -> None:
    """Hourly values as a German spreadsheet writes them."""
    lines = ["Datum;Uhrzeit;Durchfluss;Druck\n"]
    for i in range(ROWS):
        moment = time.gmtime(1_704_067_200 + 3600 * i)
        flow = 40 + 9 * math.sin(i / 24 * 2 * math.pi) + 4 * math.sin(i / 168 * 2 * math.pi) + 2 * math.sin(i * i)
        numbers = ";".join((f"{flow:.2f}", f"{5 + i % 7:.1f}")).replace(".", ",")
        lines.append(time.strftime("%d.%m.%Y;%H:%M;", moment) + numbers + "\n")
    path.write_text("".join(lines), encoding="cp1252")


def commands() -> list[str]:
    """The README's two: install, and a picture of a table."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    install = next(block for block in blocks if "pip install '.[plot]'" in block)
    replay = next(block for block in blocks if "replay your.csv" in block)
    return [install.replace("sudo apt-get install -y python3-venv && ", ""), replay]


def run(command: str, directory: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds that it took, and the longest time without a word. Raises CalledProcessError."""
    begin = last = time.monotonic()
    quiet = 0.0
    with subprocess.Popen(
        ["bash", "-euc", command], cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while ready.select() and (said := os.read(process.stdout.fileno(), 65536)):
                now = time.monotonic()
                quiet, last = max(quiet, now - last), now
                print(said.decode(errors="replace"), end="", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.monotonic() - begin, max(quiet, time.monotonic() - last)


def main() -> None:
    """Run it in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="newcomer-") as name:
        directory = Path(name)
        subprocess.run(["git", "clone", "-q", ROOT, directory / "streamrnn"], check=True)
        clone = directory / "streamrnn"
        table(clone / "your.csv")
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environment = kept | {"NUMBA_CACHE_DIR": str(directory / "compiled"), "PYTHONUNBUFFERED": "1"}
        spent = [run(command, clone, environment) for command in commands()]
        picture = (clone / "forecasts.png").stat().st_size
    names = ("install", "picture")
    found = {f"newcomer.{name}.s": round(seconds, 1) for name, (seconds, _) in zip(names, spent, strict=True)}
    found |= {"newcomer.cold.s": round(sum(seconds for seconds, _ in spent), 1)}
    found |= {"newcomer.quiet.s": round(max(quiet for _, quiet in spent), 1), "newcomer.picture.bytes": picture}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
