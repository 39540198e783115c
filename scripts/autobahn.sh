#!/usr/bin/env bash
# Autobahn's test suite (sections 1 to 7, 9 and 10) against /echo of examples/echo_server.rs. It needs Python 2.7,
# which PYTHON2 may name; the suite itself is installed into the target folder.
#
#   scripts/autobahn.sh              all of them
#   scripts/autobahn.sh '6.*' '7.*'  some
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

python=${PYTHON2:-python2.7}
if ! "$python" --version >/dev/null 2>&1; then
  echo "there is no Python 2.7 here: name one in PYTHON2" >&2
  exit 1
fi
cargo build --example echo_server
at="$(cd "$(target_dir)" && pwd)/autobahn"
mkdir -p "$at"
if [ ! -e "$at/installed" ]; then
  "$python" -m pip install --quiet --target "$at/site" autobahntestsuite==25.10.1
  touch "$at/site/zope/__init__.py" "$at/installed" # a namespace package is none outside of site-packages
fi

port=$(free_port)
PORT=$port "$(target_dir)/debug/examples/echo_server" >"$at/echo.log" &
echo_server=$!
trap 'kill "$echo_server"' EXIT
wait_until 20 "the echo server listens" grep -q '^listening on' "$at/echo.log"

[ $# -gt 0 ] || set -- '1.*' '2.*' '3.*' '4.*' '5.*' '6.*' '7.*' '9.*' '10.*'
cases=$(printf '"%s",' "$@")
rm -rf "$at/reports"
cat >"$at/spec.json" <<SPEC
{"outdir": "$at/reports", "cases": [${cases%,}], "exclude-cases": [], "exclude-agent-cases": {},
 "servers": [{"agent": "echo", "url": "ws://127.0.0.1:$port/echo"}]}
SPEC
(cd "$at" && PYTHONPATH=$at/site "$python" -c 'from autobahntestsuite.wstest import run; run()' \
  -m fuzzingclient -s spec.json >suite.log 2>&1)
python3 - "$at/reports/index.json" <<'CHECK'
import collections, json, sys

cases = json.load(open(sys.argv[1]))["echo"]
results = {case: (of["behavior"], of["behaviorClose"]) for case, of in cases.items()}
for result, count in collections.Counter(results.values()).most_common():
    print(count, "behaviour %s, close %s" % result)
bad = [case for case, of in results.items() if not set(of) <= {"OK", "INFORMATIONAL"}]
if bad or not results:
    sys.exit("not OK: %s" % (", ".join(sorted(bad)) or "no case was run"))
CHECK
