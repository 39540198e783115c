#!/usr/bin/env bash
# All tests: documentation examples, real clients from their registries, then the library and the running hub.
# Each test starts its own servers on free ports with throwaway data, and ends them.
#
#   scripts/test.sh         what takes under a minute each
#   scripts/test.sh long    the long ones, too
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

more_descriptors

echo "── documentation examples"
cargo test --doc

echo "── building the hub"
cargo build --bin roomcast

echo "── socket.io-client v4 for Node"
ROOMCAST_BIN="$(target_dir)/debug/roomcast" npm test --prefix tests/clients/node-v4 --silent

echo "── the live page in Chromium"
ROOMCAST_BIN="$(target_dir)/debug/roomcast" npm test --prefix tests/clients/browser --silent

if [ "${1:-}" = long ]; then
  echo "── a swarm of 1000 clients"
  scripts/swarm.sh
fi

echo "── the library and the running hub"
# --no-fail-fast: one failing file does not hide what the others have to say
if [ "${1:-}" = long ]; then
  cargo test --lib --bins --examples --tests --no-fail-fast -- --include-ignored
else
  cargo test --lib --bins --examples --tests --no-fail-fast
fi
