#!/ usr / bin / env python3
"""Signs requests with botocore, as AWS's own clients do, and writes them as a C++ header: make_sigv4_cases.py > FILE

Debian's package is python3-botocore. sigv4_cases.h beside this file is its output.
"""

import datetime
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2026, 1, 31, 10, 11, 12)
INVOKE = "/2015-03-31/functions/{}/invocations"
ARN = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aresize%3A%24LATEST"


class Frozen(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return NOW
#name, method, path, parameters, headers, body, token, region
CASES = [
    ("a call", "POST", INVOKE.format("resize"), {}, {}, b'{"width": 64}', None, "us-east-1"),
    ("an empty body", "POST", INVOKE.format("resize"), {}, {}, b"", None, "us-east-1"),
    ("a binary body", "POST", INVOKE.format("resize"), {}, {}, b"\x00\xff\x80", None, "us-east-1"),
    ("a qualifier", "POST", INVOKE.format("resize"), {"Qualifier": "$LATEST"}, {}, b"{}", None, "us-east-1"),
    ("an ARN, encoded in the path", "POST", INVOKE.format(ARN), {}, {}, b"{}", None, "us-east-1"),
    ("steering headers", "POST", INVOKE.format("resize"), {},
     {"X-Amz-Invocation-Type": "Event", "X-Amz-Log-Type": "Tail", "X-Amz-Client-Context": "e30="}, b"{}", None,
     "us-east-1"),
    ("values with blanks", "POST", INVOKE.format("resize"), {}, {"X-Amz-Meta": "a   b \t c"}, b"{}", None, "us-east-1"),
    ("a security token", "POST", INVOKE.format("resize"), {}, {}, b"{}", "FwoGZXIvYXdzEBYaD/token+==", "us-east-1"),
    ("another region", "POST", INVOKE.format("resize"), {}, {}, b"{}", None, "eu-central-1"),
    ("a list in pages", "GET", "/2015-03-31/functions/", {"MaxItems": "10", "Marker": "a/b+c d~e", "FunctionVersion": "ALL"},
     {}, b"", None, "us-east-1"),
    ("a deletion", "DELETE", "/2017-10-31/functions/resize/concurrency", {}, {}, b"", None, "us-east-1"),
    ("a path with dots and double slashes", "GET", "/a/./b/../c//d/", {}, {}, b"", None, "us-east-1"),
    ("the root", "GET", "/", {}, {}, b"", None, "us-east-1"),
    ("a path beyond ASCII", "GET", "/caf%C3%A9/%20%25", {}, {}, b"", None, "us-east-1"),
    ("a hash that is told", "POST", INVOKE.format("resize"), {},
     {"X-Amz-Content-SHA256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}, b"{}", None,
     "us-east-1"),
    ("a payload that is not signed", "POST", INVOKE.format("resize"), {}, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"},
     b"anything", None, "us-east-1"),
]


def sign(case, auth):
    _, method, path, parameters, headers, body, token, region = case
    url = "http://127.0.0.1:9001" + path
    request = AWSRequest(method=method, url=url, params=dict(parameters), headers=dict(headers), data=body)
    auth(Credentials(KEY, SECRET, token), "lambda", region).add_auth(request)
    prepared = request.prepare()
    target = prepared.url[len("http://127.0.0.1:9001"):]
    sent = [("Host", "127.0.0.1:9001")] + [(k, v) for k, v in prepared.headers.items() if k != "Content-Length"]
    return method, target, sent, body


def literal(data):
    if isinstance(data, str):
        data = data.encode()
    out = ""
    for byte in data:
        char = chr(byte)
        if char in '"\\':
            out += "\\" + char
        elif 32 <= byte < 127:
            out += char
        else:
            out += f"\\{byte:03o}"
    return f'std::string("{out}", {len(data)})'


def print_case(name, signed):
    method, target, headers, body = signed
    fields = ",\n        ".join(
        "{%s, %s}" % (literal(k), literal(v if isinstance(v, (str, bytes)) else str(v))) for k, v in headers)
    print(f"      {{{literal(name)}, {literal(method)},\n       {literal(target)},\n       {{{fields}}},\n       {literal(body)}}},")


def main():
    print("""// Requests that AWS's own client library has signed. Written by make_sigv4_cases.py.
#ifndef RUNLET_TESTS_HTTP_SIGV4_CASES_H_
#define RUNLET_TESTS_HTTP_SIGV4_CASES_H_

#include <string>
#include <utility>
#include <vector>

namespace runlet::http {
  struct SignedCase {
    std::string name;
    std::string method;
    std::string target;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
  };

  // With the key AKIDEXAMPLE, at 2026-01-31T10:11:12Z; presigned URLs are valid for an hour.
  // clang-format off
inline std::vector<SignedCase> SignedCases() {
  return {""")
    with mock.patch.object(botocore.auth.datetime, "datetime", Frozen):
        for case in CASES:
            print_case(case[0], sign(case, botocore.auth.SigV4Auth))
        for case in CASES:
            if not case[5]:  # it would move a body into the query
                print_case(case[0] + ", presigned", sign(case, botocore.auth.SigV4QueryAuth))
    print("""  };
}
    // clang-format on

  }  // namespace runlet::http

#endif  // RUNLET_TESTS_HTTP_SIGV4_CASES_H_""")

main()
