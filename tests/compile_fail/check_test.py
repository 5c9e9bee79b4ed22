#!/usr/bin/env python3
"""The harness must tell a source that fails as expected from one that compiles, or fails for another reason."""

import io
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

import check

COMMANDS, CONTROL = sys.argv[1:3]

IN_A_TEMPLATE = """
template <typename T> constexpr bool kNever = false;
struct Registry {
  template <typename F> void Register(F f) { Inner(f); }
  template <typename F> void Inner(F) { static_assert(kNever<F>, "runlet: not a \\"handler\\""); }
};
void Use() { Registry{}.Register(1); }
"""


class Harness(unittest.TestCase):
    def verdict(self, text):
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            source = Path(folder) / "a case.cc"
            source.write_text(text, encoding="utf-8")
            return check.main(["check.py", COMMANDS, CONTROL, str(source)]) == 0

    def test_a_source_that_fails_as_expected_passes(self):
        self.assertTrue(self.verdict("// expect: no_such_thing\nint x = no_such_thing;\n"))

    def test_templates_are_instantiated(self):
        self.assertTrue(self.verdict('// expect: runlet: not a \n' + IN_A_TEMPLATE))

    def test_a_source_that_compiles_fails(self):
        self.assertFalse(self.verdict("// expect: no_such_thing\nint x = 1;\n"))

    def test_a_source_that_fails_for_another_reason_fails(self):
        self.assertFalse(self.verdict("// expect: a message of ours\nint x = no_such_thing;\n"))

    def test_the_text_is_literal(self):
        self.assertFalse(self.verdict("// expect: no.such.thing\nint x = no_such_thing;\n"))

    def test_the_projects_headers_and_language_are_there(self):
        text = "// expect: ok\n#include <absl/status/status.h>\n#include <runlet/base/sync.h>\nstatic_assert(__cplusplus >= 202002L);\n"
        self.assertTrue(self.verdict(text))

    def test_ok_means_that_it_compiles(self):
        self.assertFalse(self.verdict("// expect: ok\nint x = no_such_thing;\n"))

    def test_a_first_line_is_needed(self):
        self.assertFalse(self.verdict("int x = no_such_thing;\n"))
        self.assertFalse(self.verdict("// expect: \nint x = no_such_thing;\n"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
