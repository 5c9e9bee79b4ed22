#!/usr/bin/env python3
"""Checks that the README's samples are the code that builds and runs with the tests.

    check.py ROOT

Every ```cpp block stands under a comment `<!-- sample: path#region -->` and equals, after dedenting, the lines between
`// [region]` and `// [/region]` in that file.
"""

import re
import sys
import textwrap
from pathlib import Path

LINES_MAX = 200
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)")
SAMPLE = re.compile(r"^<!-- sample: (\S+)#([\w-]+) -->$")


def region_of(text, region):
    """The region's lines, dedented; None unless the file has it exactly once."""
    marker = re.escape(region)
    found = re.findall(rf"^[ \t]*// \[{marker}\][ \t]*\n(.*?)^[ \t]*// \[/{marker}\][ \t]*$", text, re.M | re.S)
    return textwrap.dedent(found[0]).strip("\n") if len(found) == 1 else None


def blocks_of(lines):
    """(line number of the fence, language, text, line above the fence) of every fenced block."""
    block = None
    above = ""
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if block is None:
            if fence:
                block = (number, fence.group(2), [], above, fence.group(1))
            elif line.strip():
                above = line.strip()
        elif fence and fence.group(1).startswith(block[4]) and not fence.group(2):
            yield block[0], block[1], "\n".join(block[2]), block[3]
            block, above = None, ""
        else:
            block[2].append(line)
    if block is not None:
        yield block[0], block[1], "\n".join(block[2]), block[3]


def check(root):
    root = Path(root)
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    problems = []
    if len(lines) > LINES_MAX:
        problems.append(f"README.md:{len(lines)}: has {len(lines)} lines, more than {LINES_MAX}")
    for number, language, text, above in blocks_of(lines):
        if language.lower() not in ("cpp", "c++", "cc", "cxx"):
            continue
        sample = SAMPLE.match(above)
        if language != "cpp" or not sample:
            problems.append(f"README.md:{number}: no <!-- sample: path#region --> above this ```{language}")
            continue
        source = root / sample.group(1)
        if not source.is_file():
            problems.append(f"README.md:{number}: {sample.group(1)} does not exist")
            continue
        region = region_of(source.read_text(encoding="utf-8"), sample.group(2))
        if region is None:
            problems.append(f"README.md:{number}: {sample.group(1)} has not one region [{sample.group(2)}]")
        elif region != textwrap.dedent(text).strip("\n"):
            problems.append(f"README.md:{number}: differs from {sample.group(1)} [{sample.group(2)}]:\n{region}")
    return problems


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    problems = check(arguments[1])
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
