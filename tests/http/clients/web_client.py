"""Opens the page of examples/runlet_web.cc and presses its button."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request

url = urllib.parse.urlsplit(os.environ["ENDPOINT"])
assert url.hostname.endswith(".localhost"), url


def fetch(path, method="GET"):
    # Not every resolver knows names that end with .localhost.
    request = urllib.request.Request(f"http://127.0.0.1:{url.port}{path}", method=method, headers={"Host": url.netloc})
    with urllib.request.urlopen(request) as response:
        return response.headers["content-type"], response.read().decode()


kind, page = fetch("/")
assert kind == "text/html" and "I was here" in page, (kind, page)
assert fetch("/api/visits") == ("application/json", '{"visits":0}')
assert json.loads(fetch("/api/visits", "POST")[1]) == {"visits": 1}
try:
    fetch("/nothing")
    raise AssertionError("found nothing")
except urllib.error.HTTPError as missing:
    assert missing.code == 404
    assert json.loads(missing.read()) == {"error": "no such page"}
