#!/usr/bin/env bash
# Starts Redis and a release build of the hub on free ports with throwaway data, and lets the swarm loose:
# each client has to get each event exactly once and in order.
#
#   scripts/swarm.sh [--clients 1000] [--polling 0] [--upgrade 0] [--events 10000] …   (see examples/swarm)
#
# PROFILE=dev takes a debug build, where one is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

profile=${PROFILE:-release}
cargo build --profile "$profile" --bin roomcast --example swarm
more_descriptors

bin=$(target_dir)/${profile/#dev/debug}
dir=$(mktemp -d)
started=()
cleanup() {
  for pid in "${started[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap cleanup EXIT

start_redis "$dir"
started+=("$redis")

export ROOMCAST_AUTH__SECRET="a secret of the swarm, thirty-two bytes and more"
export DATABASE_URL="sqlite://$dir/hub.db" REDIS_URL="redis://127.0.0.1:$redis_port/"
# the swarm is one user at one address
export ROOMCAST_LIMITS__CONNECTIONS_PER_USER=0 ROOMCAST_LIMITS__CONNECTS_PER_USER_PER_MINUTE=0
export ROOMCAST_LIMITS__HANDSHAKES_PER_ADDRESS_PER_MINUTE=0
"$bin/roomcast" serve --host 127.0.0.1 --port 0 >"$dir/hub.out" 2>"$dir/hub.log" &
hub=$!
started=("$hub" "${started[@]}")
listens() { kill -0 "$hub" && grep -q '^listening on http://' "$dir/hub.out"; }
if ! wait_until 20 "the hub listens" listens; then
  cat "$dir/hub.log" >&2
  exit 1
fi
address=$(sed -n 's|^listening on http://||p' "$dir/hub.out")
ready() (
  exec 3<>"/dev/tcp/${address/://}"
  printf 'GET /health/ready HTTP/1.0\r\n\r\n' >&3
  head -n 1 <&3 | grep -q ' 200 '
)
wait_until 20 "the hub is ready" ready

token=$("$bin/roomcast" token --sub swarm --permissions admin)
"$bin/examples/swarm" --hub "$address" --redis "127.0.0.1:$redis_port" --token "$token" "$@"
