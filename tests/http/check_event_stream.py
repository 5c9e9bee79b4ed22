#!/usr/bin/env python3
"""Decodes the golden frames of event_stream_test.cc with botocore, as AWS's own clients do: check_event_stream.py FILE

Debian's package is python3-botocore; without it nothing is checked, and it says so.
"""

import re
import sys

try:
    from botocore.eventstream import EventStreamBuffer
except ImportError:
    print("skipped: botocore is not installed")
    sys.exit(77)

EXPECTED = [
    ({":message-type": "event", ":event-type": "PayloadChunk", ":content-type": "application/octet-stream"}, b"hello"),
    ({":message-type": "event", ":event-type": "InvokeComplete", ":content-type": "application/json"}, b"{}"),
]

text = open(sys.argv[1], encoding="utf-8").read()
frames = ["".join(re.findall(r'"([0-9a-f]+)"', golden)) for golden in re.findall(r"Hex\(frame\) ==([^;]+);", text)]
stream = EventStreamBuffer()
for frame in frames:
    stream.add_data(bytes.fromhex(frame))
decoded = [(event.headers, event.payload) for event in stream]
if decoded != EXPECTED:
    print(f"decoded {decoded}")
    sys.exit(1)
print(f"{len(decoded)} frames decoded")
