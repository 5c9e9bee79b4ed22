#!/usr/bin/env python3
"""Plants bad READMEs; the check must name each, and must be silent about the good one."""

import tempfile
import unittest
from pathlib import Path

import check

SOURCE = """#include <x.h>
int main() {
  // [hello]
  if (x) {
    Hello();
  }
  // [/hello]
  // [twice]
  // [/twice]
  // [twice]
  // [/twice]
}
"""
HELLO = "if (x) {\n  Hello();\n}\n"


def readme(sample, text=HELLO, language="cpp"):
    return f"# runlet\n\n```sh\nls\n```\n\n{sample}\n```{language}\n{text}```\n"


class PlantedReadmes(unittest.TestCase):
    def problems(self, text):
        with tempfile.TemporaryDirectory() as root:
            (Path(root) / "hello.cc").write_text(SOURCE, encoding="utf-8")
            (Path(root) / "README.md").write_text(text, encoding="utf-8")
            return check.check(root)

    def finds(self, text, words):
        problems = self.problems(text)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(words, problems[0])

    def test_the_good_one_is_good(self):
        self.assertEqual(self.problems(readme("<!-- sample: hello.cc#hello -->")), [])
        self.assertEqual(self.problems(readme("<!-- sample: hello.cc#hello -->\n")), [])

    def test_a_block_without_a_sample(self):
        self.finds(readme("Like this:"), "README.md:8: no <!-- sample")
        self.finds(readme("<!-- sample: hello.cc#hello -->", language="c++"), "no <!-- sample")
        self.finds("```cpp\nx\n```\n", "no <!-- sample")
        good = readme("<!-- sample: hello.cc#hello -->")
        self.finds(good + "```cpp\nx\n```\n", "no <!-- sample")

    def test_a_block_that_differs(self):
        self.finds(readme("<!-- sample: hello.cc#hello -->", HELLO.replace("x", "y")), "differs")
        self.finds(readme("<!-- sample: hello.cc#hello -->", HELLO + "more\n"), "differs")

    def test_a_block_that_never_ends(self):
        self.finds(readme("<!-- sample: hello.cc#hello -->")[:-4] + "more\n", "differs")

    def test_a_missing_file_or_region(self):
        self.finds(readme("<!-- sample: gone.cc#hello -->"), "gone.cc does not exist")
        self.finds(readme("<!-- sample: hello.cc#bye -->"), "not one region [bye]")
        self.finds(readme("<!-- sample: hello.cc#twice -->"), "not one region [twice]")

    def test_length(self):
        self.assertEqual(self.problems("x\n" * 200), [])
        self.finds("x\n" * 201, "201 lines")


if __name__ == "__main__":
    unittest.main()
