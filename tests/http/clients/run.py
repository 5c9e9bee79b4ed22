#!/usr/bin/env python3
"""Runs a client against a server that lives as long as it does.

    run.py SERVER [ARGUMENT...] -- CLIENT [ARGUMENT...]

The server prints a line that ends with its endpoint, which the client finds in ENDPOINT. Both must end well. Exit code
77: the client is not there.
"""

import os
import signal
import subprocess
import sys

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_PAGER": "",
}


def main():
    divide = sys.argv.index("--")
    server = subprocess.Popen(sys.argv[1:divide], stdout=subprocess.PIPE, text=True)
    try:
        endpoint = server.stdout.readline().split()[-1]
        client = subprocess.run(sys.argv[divide + 1 :], env={**os.environ, **ENVIRONMENT, "ENDPOINT": endpoint})
        code = client.returncode
    except FileNotFoundError as missing:
        print(missing)
        code = 77
    finally:
        server.send_signal(signal.SIGTERM)
        ended = server.wait(timeout=30)
    if ended != 0:
        print(f"the server ended with {ended}")
        return 1
    return code


sys.exit(main())
