# Sourced by the scripts that run the tests: the AWS clients that tests/http/clients drive. The script that sources this
# has sourced steps.sh.

# want_http_clients BUILD: Debian's, and in BUILD/http-clients the JavaScript SDK that package-lock.json pins. Without
# them their tests are skipped.
want_http_clients() {
  want_packages awscli python3-boto3
  command -v node >/dev/null 2>&1 || want_packages nodejs
  command -v npm >/dev/null 2>&1 || want_packages npm
  sdk=$1/http-clients
  mkdir -p "$sdk"
  if cmp -s "$root/tests/http/clients/package-lock.json" "$sdk/package-lock.json" &&
    [ -d "$sdk/node_modules/@aws-sdk/client-lambda" ]; then
    return 0
  fi
  cp "$root/tests/http/clients/package.json" "$sdk/package.json"
  cp "$root/tests/http/clients/package-lock.json" "$sdk/package-lock.json"
  log=$logs/npm.log
  (cd "$sdk" && npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 </dev/null ||
    say "could not install the AWS SDK for JavaScript: its tests are skipped (whole output: $log)"
}
