"""What the AWS CLI sees of runlet::http, in the words that people type."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

AWS = sys.argv.pop(1) if len(sys.argv) > 1 else shutil.which("aws")
if AWS is None or not os.path.exists(AWS):
    print("the AWS CLI is not installed")
    sys.exit(77)

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def run(*words):
    command = [AWS, "--endpoint-url", os.environ["ENDPOINT"], "--output", "json", "lambda", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "AWS_MAX_ATTEMPTS": "1"})


class Cli(unittest.TestCase):
    def answer(self, *words):
        done = run(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, error, *words):
        done = run(*words)
        self.assertIn(done.returncode, (254, 255), done.stdout)
        self.assertIn(f"({error})", done.stderr)

    def invoke(self, name, *more):
        with tempfile.NamedTemporaryFile() as out:
            told = self.answer("invoke", "--function-name", name, *more, out.name)
            return told, out.read()

    def test_invoke(self):
        raw = ("--cli-binary-format", "raw-in-base64-out") if "/2." in self.version() else ()
        told, payload = self.invoke("echo", *raw, "--payload", '{"n": 1.50}')
        self.assertEqual(told, {"StatusCode": 200, "ExecutedVersion": "$LATEST"})
        self.assertEqual(payload, b'{"n": 1.50}')
        told, payload = self.invoke("fail")
        self.assertEqual(told["FunctionError"], "Unhandled")
        self.assertEqual(json.loads(payload)["errorMessage"], "boom")
        told, _ = self.invoke("context", "--log-type", "Tail")
        self.assertIn("LogResult", told)
        self.assertEqual(self.invoke("nothing", "--invocation-type", "Event"), ({"StatusCode": 202}, b""))
        self.assertEqual(self.invoke("echo", "--invocation-type", "DryRun"), ({"StatusCode": 204}, b""))
        self.fails("ResourceNotFoundException", "invoke", "--function-name", "nobody", os.devnull)
        self.fails("TooManyRequestsException", "invoke", "--function-name", "closed", os.devnull)
        self.fails("InvalidRequestContentException", "invoke", "--function-name", "echo", *raw, "--payload", "{", os.devnull)

    def test_the_line_in_the_readme(self):
        text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
        line = re.search(r"^echo .*aws lambda invoke(?:.*\\\n)*.*$", text, re.MULTILINE).group()
        line = line.replace("http://127.0.0.1:9001", os.environ["ENDPOINT"])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.dirname(AWS) + os.pathsep + os.environ["PATH"]
            bare = {"PATH": path, "HOME": folder, "AWS_PAGER": ""}
            done = subprocess.run(line, shell=True, cwd=folder, env=bare, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith('}\n{"n": 1.50}\n'), done.stdout)

    def version(self):
        return subprocess.run([AWS, "--version"], capture_output=True, text=True).stdout

    def test_functions(self):
        names = [each["FunctionName"] for each in self.answer("list-functions")["Functions"]]
        self.assertGreater(len(names), 70)  # it turns the pages by itself
        self.assertEqual(self.answer("get-function", "--function-name", "echo")["Configuration"]["State"], "Active")
        self.answer("get-function-configuration", "--function-name", ARN + "echo")
        for waiter in ("function-exists", "function-active", "function-active-v2", "function-updated-v2"):
            self.answer("wait", waiter, "--function-name", "echo")
        changed = self.answer("update-function-configuration", "--function-name", "one-of-many-40", "--timeout", "11",
                              "--memory-size", "512", "--description", "other")
        self.assertEqual((changed["Timeout"], changed["MemorySize"], changed["Description"]), (11, 512, "other"))
        self.assertEqual(self.answer("get-account-settings")["AccountLimit"]["ConcurrentExecutions"], 100)
        self.fails("InvalidParameterValueException", "update-function-code", "--function-name", "echo", "--s3-bucket",
                   "bucket", "--s3-key", "key")

    def test_concurrency(self):
        name = ("--function-name", "one-of-many-41")
        self.answer("put-function-concurrency", *name, "--reserved-concurrent-executions", "2")
        self.assertEqual(self.answer("get-function-concurrency", *name), {"ReservedConcurrentExecutions": 2})
        self.answer("delete-function-concurrency", *name)
        version = self.answer("publish-version", *name)["Version"]
        qualified = (*name, "--qualifier", version)
        self.answer("put-provisioned-concurrency-config", *qualified, "--provisioned-concurrent-executions", "1")
        self.assertEqual(self.answer("get-provisioned-concurrency-config", *qualified)["Status"], "READY")
        self.answer("list-provisioned-concurrency-configs", *name)
        self.answer("delete-provisioned-concurrency-config", *qualified)
        self.fails("ProvisionedConcurrencyConfigNotFoundException", "get-provisioned-concurrency-config", *qualified)

    def test_event_invoke_config(self):
        name = ("--function-name", "one-of-many-42")
        self.answer("put-function-event-invoke-config", *name, "--maximum-retry-attempts", "0")
        updated = self.answer("update-function-event-invoke-config", *name, "--maximum-event-age-in-seconds", "60")
        self.assertEqual((updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]), (0, 60))
        self.answer("get-function-event-invoke-config", *name)
        self.assertEqual(len(self.answer("list-function-event-invoke-configs", *name)["FunctionEventInvokeConfigs"]), 1)
        self.answer("delete-function-event-invoke-config", *name)
        self.fails("ResourceNotFoundException", "get-function-event-invoke-config", *name)

    def test_aliases_tags_and_urls(self):
        name = ("--function-name", "one-of-many-43")
        self.answer("publish-version", *name)
        self.answer("create-alias", *name, "--name", "live", "--function-version", "1")
        self.answer("get-alias", *name, "--name", "live")
        self.answer("update-alias", *name, "--name", "live", "--description", "in use")
        self.assertEqual(self.answer("list-aliases", *name)["Aliases"][0]["Description"], "in use")
        self.assertEqual(len(self.answer("list-versions-by-function", *name)["Versions"]), 2)
        told, _ = self.invoke("one-of-many-43", "--qualifier", "live")
        self.assertEqual(told["ExecutedVersion"], "1")
        self.answer("delete-alias", *name, "--name", "live")
        self.answer("tag-resource", "--resource", ARN + "one-of-many-43", "--tags", "a=1")
        self.assertEqual(self.answer("list-tags", "--resource", ARN + "one-of-many-43"), {"Tags": {"a": "1"}})
        self.answer("untag-resource", "--resource", ARN + "one-of-many-43", "--tag-keys", "a")
        self.assertIn("FunctionUrl", self.answer("create-function-url-config", *name, "--auth-type", "NONE"))
        self.answer("update-function-url-config", *name, "--auth-type", "AWS_IAM")
        self.answer("get-function-url-config", *name)
        self.answer("list-function-url-configs", *name)
        self.answer("delete-function-url-config", *name)
        self.answer("delete-function", *name, "--qualifier", "1")


unittest.main(warnings="ignore")
