"""What cmake/serve.sh asks of the build is there: check_serve_script.py SCRIPT BUILD SERVER

Running it would build everything a second time. SERVER is where the build has put what the script runs.
"""

import json
import os
import re
import subprocess
import sys

script, build, server = sys.argv[1:]
root = os.path.dirname(os.path.dirname(os.path.abspath(script)))
subprocess.run(["sh", "-n", script], check=True)
with open(script) as file:
    text = file.read()

presets = {each["name"] for each in json.load(open(os.path.join(root, "CMakePresets.json")))["configurePresets"]}
(preset,) = re.findall(r"--preset (\S+)", text)
assert preset in presets, preset

with open(os.path.join(build, "CMakeCache.txt")) as file:
    cache = file.read()
options = re.findall(r"-D(\w+)=", text)
assert options
for option in options:
    assert re.search(rf"^{option}:", cache, re.MULTILINE), option

(target,) = re.findall(r"--target (\S+)", text)
assert os.path.basename(server) == target, server
assert os.path.relpath(server, build) == re.search(r'exec "\$build/(\S+)"', text).group(1), server

# Its one argument is a port.
(argument,) = re.findall(r'exec "\S+" (.+)', text)
port = re.fullmatch(r'"\$\{1:-(\d+)\}"', argument).group(1)
assert subprocess.run([server, port, "more"], stderr=subprocess.PIPE).stderr == b"usage: runlet-serve [port]\n"
print(f"{preset}, {', '.join(options)}, {target} and port {port} are as the script has them")
