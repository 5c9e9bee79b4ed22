"""Calls each function of examples/runlet_serve.cc."""

import base64
import json
import os
import time
import urllib.request

ENDPOINT = os.environ["ENDPOINT"]


def invoke(function, payload, **headers):
    path = f"{ENDPOINT}/2015-03-31/functions/{function}/invocations"
    with urllib.request.urlopen(urllib.request.Request(path, payload, headers, method="POST")) as response:
        return response.headers, response.read()


assert invoke("echo", b'{"n": 1.50}')[1] == b'{"n": 1.50}'
headers, body = invoke("fail", b"{}")
assert headers["X-Amz-Function-Error"] == "Unhandled" and json.loads(body)["errorMessage"] == "boom"
started = time.monotonic()
headers, body = invoke("slow", b'"late"')
assert body == b'"late"' and time.monotonic() - started >= 5 and "X-Amz-Function-Error" not in headers
assert invoke("big", b'{"n": 12}')[1] == b'"xxxxxxxxxx"'
assert len(invoke("big", b'{"n": 6291556}')[1]) == 6291556
context = base64.b64encode(b'{"custom": {"a": 1}}').decode()
headers, body = invoke("context:$LATEST", b"", **{"X-Amz-Client-Context": context})
told = json.loads(body)
assert told["functionName"] == "context" and told["functionVersion"] == "$LATEST", told
arn = "arn:aws:lambda:us-east-1:000000000000:function:context"
assert told["invokedFunctionArn"] == arn + ":$LATEST", told
assert json.loads(invoke("context", b"")[1])["invokedFunctionArn"] == arn
assert told["awsRequestId"] == headers["x-amzn-RequestId"], told
assert 0 < told["remainingMs"] <= 3000 and told["clientContext"] == {"custom": {"a": 1}}, told
assert json.loads(invoke("context", b"")[1])["clientContext"] is None
