#!/usr/bin/env bash
# Breaks what is around a hub, and the hub, under traffic: docs/chaos.md says how to read the table.
#
#   scripts/chaos.sh [--minutes 20] [--only WORDS] [--postgres]
#
# PROFILE=dev takes a debug build, where one is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

profile=${PROFILE:-release}
cargo build --profile "$profile" --bin roomcast --example chaos
more_descriptors
exec "$(target_dir)/${profile/#dev/debug}/examples/chaos" "$@"
