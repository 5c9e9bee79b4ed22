#!/usr/bin/env python3
"""Keeps the house in order: reads every source file and reports what breaks a rule of the house.

    check.py ROOT      prints one line per broken rule; the exit code is 1 if there is any

Rooms stand on floors. A file may include files of its own room and of lower floors, never of a room beside or above.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

FLOORS = {
    "base": 0,
    "event": 1,
    "function": 2,
    "queue": 2,
    "observe": 2,
    "codec": 2,
    "capacity": 3,
    "durable": 3,
    "nats": 3,
    "invoke": 4,
    "delivery": 5,
    "sources": 6,
    "engine": 7,
    "http": 8,
    "testing": 8,
    "metrics": 8,
    "tool": 8,
}

# runlet.h shows a user the whole engine: it sees what the engine sees, and whoever stands beside or above may include
# it. Examples are users: they stand above everything, and see public headers only.
UMBRELLA = "include/runlet/runlet.h"
UMBRELLA_FLOOR = 7
EXAMPLES_FLOOR = 9

# All that is kept at the top, beside dotfiles.
TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "bench", "cmake", "examples", "include", "src", "tests"}

# Below these folders the first directory names the room.
ROOM_FOLDERS = ("include/runlet", "src", "tests", "bench")
# What stands in tests/ and is no room: it checks the house itself, from outside.
HOUSE = {"tests/structure", "tests/readme", "tests/compile_fail", "tests/consumer", "tests/planted", "tests/unload"}
# Every test may include it, so it may include nothing of ours.
TEST_FRAME = {"tests/catch.h", "tests/main.cc"}

SOURCE_SUFFIXES = {".h", ".cc"}


# What include/runlet and src may not do...
CORE_RULES = {
    "reads a clock": re.compile(
        r"\b(?:steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|__rdtscp?)\b"
        r"|\babsl::(?:Now|GetCurrentTimeNanos)\b|\bstd::time\b|(?<![\w:.>])time\s*\(\s*(?:NULL|nullptr|0)\s*\)"
    ),
    # Asking about threads (std::thread::id, hardware_concurrency) is no start.
    "starts a thread": re.compile(r"\bstd::j?thread\b(?!\s*::)|\bstd::async\b|\bpthread_create\b|\bthrd_create\b"),
    "sleeps": re.compile(
        r"\b(?:sleep_for|sleep_until|SleepFor|nanosleep|clock_nanosleep|usleep)\b|(?<![\w:.>])sleep\s*\("
    ),
    "reads the environment": re.compile(r"\b(?:secure_)?getenv\b|\benviron\b"),
    "owns a lock": re.compile(
        r"\bstd::(?:recursive_|shared_|timed_|recursive_timed_|shared_timed_)?mutex\b"
        r"|\bstd::condition_variable(?:_any)?\b|\bstd::(?:counting|binary)_semaphore\b"
        r"|\babsl::(?:Mutex|CondVar)\b|\bpthread_(?:mutex|rwlock|spin|cond)_\w+"
    ),
}

# ... except in these files, which own it.
PERMISSIONS = {
    "reads a clock": {
        "src/base/random.cc",  # the last resort of a seed, where a sandbox refuses getrandom
        "src/base/system_clock.cc",
    },
    "starts a thread": {
        "src/capacity/elastic_pool.cc",
        "src/capacity/watcher.cc",
        "src/http/loop.cc",
        "src/http/loop.h",
        "src/testing/watchdog.cc",  # looks at a simulation from outside of its virtual time
        "src/testing/watchdog.h",
    },
    "reads the environment": {"src/base/planted.cc"},  # in a build for it only
    "owns a lock": {"include/runlet/base/sync.h"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# In this order, so that // in a string is no comment and " in a comment starts no string.
COMMENT_OR_LITERAL = re.compile(
    r'R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.DOTALL
)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def strip_comments(text):
    return COMMENT_OR_LITERAL.sub(lambda m: blank(m) if m.group().startswith("/") else m.group(), text)


def strip_comments_and_literals(text):
    # A digit separator (1'000) is no character literal.
    return COMMENT_OR_LITERAL.sub(blank, re.sub(r"(?<=\d)'(?=\d)", "", text))


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def kept_files(root):
    """What git keeps; nothing where a tree came without git."""
    if shutil.which("git") is None:
        return []
    listed = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True, check=False)
    return listed.stdout.splitlines()


class House:
    def __init__(self, root, permissions, kept=()):
        self.root = Path(root)
        self.kept = kept
        self.permissions = permissions
        self.problems = []
        self.files = {}
        for folder in (*ROOM_FOLDERS, "examples"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.suffix in SOURCE_SUFFIXES and path.is_file():
                    name = path.relative_to(self.root).as_posix()
                    if not any(name.startswith(house + "/") for house in HOUSE):
                        self.files[name] = path.read_text(encoding="utf-8")

    def report(self, name, line, problem):
        self.problems.append(f"{name}:{line}: {problem}")

    @staticmethod
    def room_of(name):
        """The room of a file of ours; None if it stands directly in a folder of rooms."""
        for folder in ROOM_FOLDERS:
            if name.startswith(folder + "/"):
                below = name[len(folder) + 1 :].split("/")
                return below[0] if len(below) > 1 else None
        return None

    def floor_of(self, name):
        """None where no floor can be told: frame files, and files that stand in no known room."""
        if name == UMBRELLA:
            return UMBRELLA_FLOOR
        if name.startswith("examples/"):
            return EXAMPLES_FLOOR
        return FLOORS.get(self.room_of(name))

    def resolve(self, name, quoted, path):
        """The file of ours that an include means; None if it means a file of someone else."""
        roots = ["include", "src", "."]
        if quoted:
            roots.insert(0, str(Path(name).parent))
        for root in roots:
            candidate = (self.root / root / path).resolve()
            if candidate.is_relative_to(self.root.resolve()):
                found = candidate.relative_to(self.root.resolve()).as_posix()
                if found in self.files:
                    return found
        return None

    def check(self):
        graph = {}
        self.check_top()
        for name, text in self.files.items():
            self.check_room(name)
            graph[name] = self.check_includes(name, strip_comments(text))
        self.check_circles(graph)
        self.check_core_rules()
        self.check_listed()
        return self.problems

    def check_top(self):
        for name in sorted({kept.split("/")[0] for kept in self.kept}):
            if name not in TOP and not name.startswith("."):
                self.report(name, 1, "does not belong at the top")

    def check_room(self, name):
        if name == UMBRELLA or name in TEST_FRAME or name.startswith("examples/"):
            return
        room = self.room_of(name)
        if room is None:
            self.report(name, 1, "stands in no room")
        elif room not in FLOORS:
            self.report(name, 1, f"unknown room {room!r}")

    def check_includes(self, name, text):
        included = []
        for match in INCLUDE.finditer(text):
            path, line = match.group(2), line_of(text, match.start())
            target = self.resolve(name, match.group(1) == '"', path)
            if target is None:
                if path.startswith("runlet/"):
                    self.report(name, line, f"includes {path}, which does not exist")
                elif name.startswith("include/"):
                    self.check_foreign_include(name, line, path)
                continue
            included.append(target)
            self.check_include(name, line, target)
        return included

    def check_foreign_include(self, name, line, path):
        # A header's weight is paid by every user, every build.
        if path.startswith("fmt/"):
            self.report(name, line, "a public header includes fmt")
        if path.startswith("nlohmann/") and name != "include/runlet/codec/json.h":
            self.report(name, line, "a public header other than codec/json.h includes nlohmann/json")

    def check_include(self, name, line, target):
        public = target.startswith("include/")
        if name.startswith("examples/") and target.startswith("examples/"):
            return
        if name.startswith(("include/", "examples/")) and not public:
            self.report(name, line, f"includes {target}, which is not public")
            return
        if target.startswith(("tests/", "bench/")) and not name.startswith(target.split("/")[0] + "/"):
            self.report(name, line, f"includes {target}: only {target.split('/')[0]} may")
            return
        if name in TEST_FRAME:
            self.report(name, line, f"includes {target}, but every test includes this file")
            return
        if target in TEST_FRAME:
            return

        # The tests of the engine, and of what looks at it, are run by its users' test kit.
        if name.startswith(("tests/engine/", "tests/metrics/", "tests/http/")) and target.startswith("include/runlet/testing/"):
            return
        # What is kept is tried and measured as its users keep it: by an engine.
        if name.startswith(("tests/durable/", "bench/durable/")) and public:
            return

        floor, target_floor = self.floor_of(name), self.floor_of(target)
        if floor is None or target_floor is None:
            return  # reported as an unknown room
        if target_floor > floor:
            self.report(name, line, f"upward include of {target} (floor {floor} to floor {target_floor})")
        elif target_floor == floor and self.room_of(target) != self.room_of(name) and UMBRELLA not in (name, target):
            self.report(name, line, f"sideways include of {target} (both on floor {floor})")

    def check_circles(self, graph):
        done, path = set(), []

        def visit(name):
            if name in path:
                circle = path[path.index(name) :] + [name]
                self.report(name, 1, "circle of includes: " + " -> ".join(circle))
                return
            if name in done:
                return
            path.append(name)
            for target in graph[name]:
                visit(target)
            path.pop()
            done.add(name)

        for name in graph:
            visit(name)

    def check_core_rules(self):
        for name, text in self.files.items():
            if not name.startswith(("include/", "src/")):
                continue
            code = strip_comments_and_literals(text)
            for rule, pattern in CORE_RULES.items():
                if name in self.permissions.get(rule, ()):
                    continue
                for match in pattern.finditer(code):
                    self.report(name, line_of(code, match.start()), f"{rule}: {match.group().strip()}")
        # A permission for a file that is gone would let the next file of that name in unseen.
        for rule, names in self.permissions.items():
            for name in sorted(names - self.files.keys()):
                self.report(name, 1, f"does not exist, but has a permission ({rule})")

    def check_listed(self):
        """A public header or a source that src/CMakeLists.txt does not name is built by luck, or not at all."""
        lists = self.root / "src" / "CMakeLists.txt"
        text = lists.read_text(encoding="utf-8") if lists.exists() else ""
        words = set(re.findall(r"[^\s()]+", re.sub(r"#[^\n]*", "", text)))
        for name in self.files:
            for folder, suffix in (("include/runlet/", ".h"), ("src/", ".cc")):
                if name.startswith(folder) and name.endswith(suffix) and name[len(folder) :] not in words:
                    self.report(name, 1, "is not listed in src/CMakeLists.txt")


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    house = House(arguments[1], PERMISSIONS, kept_files(arguments[1]))
    problems = house.check()
    for problem in problems:
        print(problem)
    print(f"{len(house.files)} files read, {len(problems)} rules broken")
    return 1 if problems or not house.files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
