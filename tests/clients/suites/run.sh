#!/usr/bin/env bash
# The public protocol suites of the Socket.IO project, unmodified, against examples/echo_server.rs. They are not ours
# to pass on and no registry has them, so they run where a checkout is given:
#
#   git clone --depth 1 https://github.com/socketio/socket.io /tmp/socket.io
#   SOCKETIO_SUITES=/tmp/socket.io make test-clients CLIENTS=suites
#
# ROOMCAST_ECHO_BIN names the echo server's binary. The suites have port 3000 in their text.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. scripts/common.sh

skip() {
  echo "skipped: the public protocol suites: $*"
  exit 0
}

# folder of the checkout, tests in it
suites=(
  docs/engine.io-protocol/v3-test-suite 23
  docs/engine.io-protocol/v4-test-suite 25
  docs/socket.io-protocol/v5-test-suite 32
)

from=${SOCKETIO_SUITES:-}
[ -n "$from" ] || skip "SOCKETIO_SUITES does not name a checkout of socketio/socket.io (see $0)"
[ -e "$from/${suites[0]}/package-lock.json" ] || skip "SOCKETIO_SUITES=$from has no ${suites[0]}"
if (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null; then skip "port 3000, which they use, is taken"; fi

PORT=3000 "$ROOMCAST_ECHO_BIN" >/dev/null &
echo_server=$!
trap 'kill "$echo_server" 2>/dev/null; wait "$echo_server" 2>/dev/null || true' EXIT
listens() { kill -0 "$echo_server" && (exec 3<>/dev/tcp/127.0.0.1/3000); }
wait_until 20 "the echo server listens on port 3000" listens

failed=0
for ((n = 0; n < ${#suites[@]}; n += 2)); do
  suite=${suites[n]} tests=${suites[n + 1]}
  # a copy, so that nothing is written into the checkout
  copy=$(target_dir)/suites/$suite
  mkdir -p "$copy"
  cp -u "$from/$suite"/*.js* "$copy"
  if [ ! "$copy/node_modules/.package-lock.json" -nt "$copy/package-lock.json" ]; then
    npm ci --prefix "$copy" --no-audit --no-fund --loglevel=error >/dev/null
  fi
  echo "$suite"
  output=$(cd "$copy" && npm test --silent 2>&1) || failed=1
  echo "$output"
  if ! grep -q "^ *$tests passing" <<<"$output"; then
    echo "$suite: expected $tests tests to pass" >&2
    failed=1
  fi
done
exit "$failed"
