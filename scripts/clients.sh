#!/usr/bin/env bash
# Real clients from their registries against the hub and the echo server, side by side: each has servers of its own.
# What each of them says is shown when it has ended. ROOMCAST_BIN and ROOMCAST_ECHO_BIN name the binaries; without
# them they are built.
#
#   scripts/clients.sh            all of them
#   scripts/clients.sh node java  some: node, browser, python, java, suites
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if [ -z "${ROOMCAST_BIN:-}" ] || [ -z "${ROOMCAST_ECHO_BIN:-}" ]; then
  cargo build --bin roomcast --example echo_server
  ROOMCAST_BIN="$(target_dir)/debug/roomcast"
  ROOMCAST_ECHO_BIN="$(target_dir)/debug/examples/echo_server"
fi
export ROOMCAST_BIN ROOMCAST_ECHO_BIN
cd tests/clients

said=$(mktemp -d)
declare -A pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$said"
}
trap cleanup EXIT

node() { command node --test --test-reporter=spec --test-concurrency=2 node/*.test.mjs types/*.test.mjs; }

browser() { command node --test --test-reporter=spec --test-concurrency=2 browser/*.test.mjs; }

python() (
  cd python
  # the library leaves the closing of its sockets to the garbage collector, which says so
  command node ../rig/run.mjs .venv/bin/python -W ignore::ResourceWarning -m unittest
)

java() (
  if ! command -v javac >/dev/null || [ ! -d java/lib ]; then
    echo "skipped: the Java client: there is no JDK or no Maven here (\`make setup\` installs them on Debian)"
    return
  fi
  cd java
  rm -rf build
  javac -cp 'lib/*' -d build src/clients/*.java
  command node ../rig/run.mjs java -cp 'build:lib/*' org.junit.platform.console.ConsoleLauncher execute \
    --scan-classpath build --details=tree --disable-ansi-colors --disable-banner
)

suites() { suites/run.sh; }

failed=()
finish() { # finish NAME: waits for it and shows what it said
  wait "${pids[$1]}" || failed+=("$1")
  unset "pids[$1]"
  echo "── $1"
  cat "$said/$1"
}

wanted=("$@")
if [ ${#wanted[@]} -eq 0 ]; then wanted=(node browser python java suites); fi
for client in "${wanted[@]}"; do
  # the suites have deadlines of a few hundred milliseconds: they run alone, after the others
  if [ "$client" = suites ]; then continue; fi
  "$client" >"$said/$client" 2>&1 &
  pids[$client]=$!
done
for client in "${wanted[@]}"; do
  if [ "$client" = suites ]; then
    suites >"$said/suites" 2>&1 &
    pids[suites]=$!
  fi
  finish "$client"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
