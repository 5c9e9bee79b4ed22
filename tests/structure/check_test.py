#!/usr/bin/env python3
"""Plants one bad file at a time in a small good tree; the check must name it, and must be silent about the good tree."""

import tempfile
import unittest
from pathlib import Path

import check

GOOD = {
    "include/runlet/runlet.h": '#include "runlet/engine/engine.h"\n',
    "include/runlet/base/sync.h": "#include <mutex>\nstd::mutex mu;\n",
    "include/runlet/base/time.h": "// steady_clock is read elsewhere\n",
    "include/runlet/event/event.h": '#include <runlet/base/time.h>\nconst char* kText = "std::mutex";\n',
    "include/runlet/engine/engine.h": '#include "runlet/event/event.h"\n',
    "src/CMakeLists.txt": "base/sync.h base/time.h event/event.h engine/engine.h runlet.h queue/memory.cc base/system_clock.cc\n",
    "src/base/system_clock.cc": "auto now = std::chrono::steady_clock::now();\n",
    "src/queue/memory.h": '#include "runlet/base/sync.h"\n',
    "src/queue/memory.cc": '#include "queue/memory.h"\n#include <fmt/format.h>\nint n = 1\'000; std::thread::id who;\n',
    "tests/catch.h": "#include <catch2/catch.hpp>\n",
    "tests/main.cc": "#include <catch2/catch.hpp>\n",
    "tests/queue/memory_test.cc": '#include "queue/memory.h"\n#include "tests/catch.h"\n#include <chrono>\n',
    "tests/engine/engine_test.cc": '#include "runlet/runlet.h"\n#include "tests/catch.h"\nstd::thread t;\n',
    "tests/consumer/main.cc": '#include "runlet/runlet.h"\n',
    "bench/queue/memory_bench.cc": '#include "queue/memory.h"\n',
    "examples/01_hello.cc": "#include <runlet/runlet.h>\n",
}
PERMISSIONS = {
    "reads a clock": {"src/base/system_clock.cc"},
    "owns a lock": {"include/runlet/base/sync.h"},
}


class PlantedTrees(unittest.TestCase):
    def problems(self, planted, permissions=PERMISSIONS):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**GOOD, **planted}.items():
                path = Path(root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return check.House(root, permissions).check()

    def finds(self, planted, *words):
        problems = self.problems(planted)
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0])

    def listed(self, *names):
        return {"src/CMakeLists.txt": GOOD["src/CMakeLists.txt"] + " ".join(names)}

    def test_the_good_tree_is_good(self):
        self.assertEqual(self.problems({}), [])

    def test_the_top_is_swept(self):
        kept = [*GOOD, ".ci/run", "CMakeLists.txt", "cmake/run.sh"]
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(check.House(root, {}, kept).check(), [])
            self.assertEqual(check.House(root, {}, [*kept, "q.db"]).check(), ["q.db:1: does not belong at the top"])

    def test_upward(self):
        self.finds({"src/queue/memory.h": '#include "runlet/engine/engine.h"\n'}, "src/queue/memory.h:1", "upward")

    def test_upward_to_the_umbrella(self):
        self.finds({"src/queue/memory.h": '\n#include "runlet/runlet.h"\n'}, "src/queue/memory.h:2", "upward")

    def test_upward_in_a_test(self):
        self.finds({"tests/base/x_test.cc": '#include "queue/memory.h"\n'}, "tests/base/x_test.cc:1", "upward")

    def test_upward_behind_a_comment_and_in_angles(self):
        self.finds({"bench/base/x_bench.cc": '/* " */ int x;\n# include <runlet/event/event.h>\n'}, ":2", "upward")

    def test_an_include_in_a_comment_is_none(self):
        self.assertEqual(self.problems({"tests/base/x_test.cc": '/*\n#include "queue/memory.h"\n*/\n'}), [])

    def test_sideways(self):
        tree = {"src/observe/counters.h": '#include "queue/memory.h"\n'}
        self.finds(tree, "src/observe/counters.h:1", "sideways")

    def test_the_test_kit_is_for_tests_of_the_engine_and_of_what_looks_at_it(self):
        kit = {"include/runlet/testing/kit.h": "", **self.listed(" testing/kit.h")}
        include = '#include "runlet/testing/kit.h"\n'
        for room in ("engine", "metrics", "http"):
            self.assertEqual(self.problems({**kit, f"tests/{room}/x_test.cc": include}), [])
        self.finds({**kit, "tests/observe/x_test.cc": include}, "tests/observe/x_test.cc:1", "upward")
        self.finds({**kit, "tests/tool/x_test.cc": include}, "tests/tool/x_test.cc:1", "sideways")

    def test_circle(self):
        tree = {
            "src/queue/a.h": '#include "queue/b.h"\n',
            "src/queue/b.h": '#include "c.h"\n',
            "src/queue/c.h": '#include "../queue/a.h"\n',
        }
        self.finds(tree, "circle", "src/queue/a.h -> src/queue/b.h -> src/queue/c.h -> src/queue/a.h")

    def test_unknown_room(self):
        for name in ("src/util/strings.h", "tests/common/x_test.cc", "bench/misc/x.cc", "include/runlet/detail/x.h"):
            tree = {name: ""}
            if name.startswith("include"):
                tree.update(self.listed("detail/x.h"))
            self.finds(tree, name, "unknown room")

    def test_no_room(self):
        for name in ("src/runlet.h", "bench/x_bench.cc", "tests/x_test.cc"):
            self.finds({name: ""}, name, "stands in no room")
        self.finds({"include/runlet/all.h": "", **self.listed("all.h")}, "include/runlet/all.h", "stands in no room")

    def test_private_header_in_public_header_and_example(self):
        self.finds({"include/runlet/engine/engine.h": '#include "queue/memory.h"\n'}, "not public")
        self.finds({"examples/01_hello.cc": '#include "../src/queue/memory.h"\n'}, "not public")

    def test_test_header_in_source(self):
        self.finds({"src/queue/memory.cc": '#include "tests/catch.h"\n'}, "only tests may")

    def test_missing_header(self):
        self.finds({"src/queue/memory.h": '#include "runlet/base/gone.h"\n'}, "does not exist")

    def test_heavy_public_header(self):
        self.finds({"include/runlet/event/event.h": "#include <fmt/core.h>\n"}, "includes fmt")
        self.finds({"include/runlet/event/event.h": "#include <nlohmann/json.hpp>\n"}, "nlohmann")

    def test_core_rules(self):
        planted = {
            "reads a clock": (
                "auto t = std::chrono::steady_clock::now();",
                "auto t = absl::Now();",
                "using system_clock = int;",
                "auto t = time(nullptr);",
            ),
            "starts a thread": ("std::thread t;", "auto f = std::async(g);", "std::jthread t;"),
            "sleeps": ("std::this_thread::sleep_for(d);", "absl::SleepFor(d);", "sleep(1);"),
            "reads the environment": ('auto* e = std::getenv("X");',),
            "owns a lock": ("std::mutex mu;", "absl::Mutex mu;", "std::condition_variable cv;", "std::shared_mutex m;"),
        }
        for rule, lines in planted.items():
            for line in lines:
                with self.subTest(line):
                    self.finds({"src/queue/memory.cc": f"// one\n{line}\n"}, "src/queue/memory.cc:2", rule)

    def test_not_listed(self):
        self.finds({"src/queue/late.cc": ""}, "src/queue/late.cc", "not listed")
        self.finds({"include/runlet/queue/late.h": ""}, "include/runlet/queue/late.h", "not listed")

    def test_a_permission_is_for_one_rule(self):
        self.finds({"src/base/system_clock.cc": "std::mutex mu;\n"}, "src/base/system_clock.cc:1", "owns a lock")

    def test_a_permission_for_a_file_that_is_gone(self):
        problems = self.problems({}, {**PERMISSIONS, "sleeps": {"src/base/gone.cc"}})
        self.assertEqual(problems, ["src/base/gone.cc:1: does not exist, but has a permission (sleeps)"])


if __name__ == "__main__":
    unittest.main()
