#!/usr/bin/env python3
"""Kills a durable census half-way, again and again, and starts it again: it must end with every file counted once.

    census_kill.py FILE_CENSUS
"""

import contextlib
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

FILES = 3000
KILLS = 3
PATIENCE_SECONDS = 60


def counted(path):
    """How many files are counted, as a reader from outside sees it; 0 while there is nothing to see."""
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute("SELECT count(bytes) FROM census").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    census = arguments[1]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "files"
        root.mkdir()
        for number in range(FILES):
            (root / f"{number}.txt").write_text(f"file {number}\n", encoding="utf-8")
        queue = pathlib.Path(folder) / "census.db"
        command = [census, "--durable", str(queue), str(root)]

        kills = 0
        for kill in range(KILLS):
            target = FILES * (kill + 1) // (KILLS + 2)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                until = time.monotonic() + PATIENCE_SECONDS
                while counted(queue) < target and process.poll() is None and time.monotonic() < until:
                    time.sleep(0.001)
                process.kill()
                kills += process.wait() == -9
            print(f"killed: {process.returncode == -9}, counted so far: {counted(queue)}")
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=False)
        print(done.stdout, end="")
        good = done.returncode == 0 and counted(queue) == FILES and kills > 0
        print(f"{kills} kills, {counted(queue)} of {FILES} files counted, status {done.returncode}")
        return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
