#!/usr/bin/env bash
# What notifications cost where there are very many: fills a throwaway SQLite file and a throwaway PostgreSQL and prints
# a table for each (docs/performance.md). Ten million rows take some 6 GB in $TMPDIR and some minutes a database.
#
#   scripts/ten_million.sh                    ten million rows, both databases
#   scripts/ten_million.sh 100000 sqlite      fewer, and one of them
#   PROFILE=release scripts/ten_million.sh    the store's own code optimised, too
set -euo pipefail
cd "$(dirname "$0")/.."

export ROOMCAST_ROWS="${1:-10000000}"
cargo test --profile "${PROFILE:-dev}" --lib "store::tests::ten_million::${2:-}" -- --ignored --nocapture --test-threads 1
