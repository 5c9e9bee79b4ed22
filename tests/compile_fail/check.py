#!/usr/bin/env python3
"""Compiles one source the way the project compiles, and checks what the compiler says.

    check.py compile_commands.json CONTROL SOURCE

The first line of SOURCE is `// expect: <literal text>`: it must not compile, and the output must contain the text.
`// expect: ok`: it must compile. CONTROL is a source with an entry in compile_commands.json, which lends its flags.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path

EXPECT = "// expect: "


def command_for(commands_file, control, source):
    for entry in json.loads(Path(commands_file).read_text(encoding="utf-8")):
        if Path(entry["file"]).samefile(control):
            words = shlex.split(entry["command"])
            output = words.index("-o")
            del words[output : output + 2]
            words[words.index("-c") :] = ["-fsyntax-only", source]
            return words, entry["directory"]
    sys.exit(f"{commands_file} has no entry for {control}")


def main(arguments):
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    commands_file, control, source = arguments[1:]
    with open(source, encoding="utf-8") as lines:
        first = lines.readline().rstrip("\n")
    expected = first[len(EXPECT) :].strip()
    if not first.startswith(EXPECT) or not expected:
        print(f"{source}:1: the first line must be '{EXPECT}<literal text>'")
        return 1

    command, directory = command_for(commands_file, control, source)
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    )
    if expected == "ok":
        problem = "must compile, but does not" if done.returncode != 0 else None
    elif done.returncode == 0:
        problem = "must not compile, but does"
    else:
        problem = f"the compiler does not say: {expected}" if expected not in done.stdout else None
    if problem:
        print(f"{shlex.join(command)}\n{done.stdout}\n{source}: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
