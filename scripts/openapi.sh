#!/usr/bin/env bash
# The HTTP API, called by its description (docs/api/openapi.json): right calls and wrong ones, made by schemathesis. No
# answer may be a 500, or one that the description does not say. ROOMCAST_BIN names the binary; without it it is built.
#
#   scripts/openapi.sh         the same 1 600 calls each time, in half a minute
#   scripts/openapi.sh long    others each time, in five minutes; it prints their seed
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

if [ -z "${ROOMCAST_BIN:-}" ]; then
  cargo build --bin roomcast
  ROOMCAST_BIN="$(target_dir)/debug/roomcast"
fi
export ROOMCAST_BIN
cd tests/clients
if [ "${1:-}" = long ]; then
  node openapi/run.mjs --max-examples=500 --max-time=300 --seed="$RANDOM$RANDOM"
else
  node openapi/run.mjs --max-examples=30 --generation-deterministic
fi
