#!/usr/bin/env bash
# All tests: the examples' own, real clients from their registries (also in a browser), then the
# library and the running hub. Each starts its own servers on free ports with throwaway data, and ends them.
#
#   scripts/test.sh         all but those marked #[ignore = "long"]
#   scripts/test.sh long    these, too, and the swarm
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

more_descriptors

echo "── the code of documentation and examples"
cargo test --doc
cargo test --examples

echo "── real clients"
scripts/clients.sh

echo "── the HTTP API by its description"
scripts/openapi.sh "${1:-}"

if [ "${1:-}" = long ]; then
  echo "── a swarm of 1000 clients"
  scripts/swarm.sh
  echo "── a swarm of 1000 that poll and 1000 that upgrade"
  scripts/swarm.sh --clients 0 --polling 1000 --upgrade 1000 --rate 1000
else
  echo "── a small swarm: websockets, polling, upgrades"
  PROFILE=dev scripts/swarm.sh --clients 50 --polling 50 --upgrade 50 --events 1000 --rate 500
fi

echo "── faults of Redis and of the hub, each once"
PROFILE=dev scripts/chaos.sh

echo "── the library and the running hub"
# --no-fail-fast: one failing file does not hide what the others have to say
if [ "${1:-}" = long ]; then
  cargo test --lib --bins --tests --no-fail-fast -- --include-ignored
else
  cargo test --lib --bins --tests --no-fail-fast
fi
