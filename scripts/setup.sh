#!/usr/bin/env bash
# Brings what is missing on a Debian machine with Rust and Node, and says what. Quick where nothing is.
#
#   scripts/setup.sh run    what `make run` needs
#   scripts/setup.sh test   that, and what the tests need
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=${1:-test}
missing=()

need() { # need PACKAGE CHECK...: installed unless the check succeeds
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

has() { command -v "$1"; }

libpq() { pkg-config --exists libpq; }

# Debian keeps the server's programs out of the PATH
postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; }

chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

need build-essential has cc
need pkg-config has pkg-config
need libpq-dev libpq
if [ "$wanted" = test ]; then
  need redis-server has redis-server
  need redis-tools has redis-cli
  need postgresql postgres
  need chromium chromium
fi

for tool in cargo node npm; do
  if [ "$tool" != cargo ] && [ "$wanted" = run ]; then continue; fi
  command -v "$tool" >/dev/null || { echo "setup: $tool is needed; install Rust (1.95) and Node (20) first" >&2; exit 1; }
done

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here: install these yourself (names as in Debian): ${missing[*]}" >&2
    exit 1
  fi
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  quietly() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null; }
  quietly update
  quietly install -y --no-install-recommends "${missing[@]}"
fi

if [ "$wanted" = test ]; then
  for client in tests/clients/*/package-lock.json; do
    [ -e "$client" ] || continue
    folder=$(dirname "$client")
    # npm writes this file last; it is older than the lock file where that has changed since
    if [ ! "$folder/node_modules/.package-lock.json" -nt "$client" ]; then
      echo "setup: installing the packages of $folder"
      npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
    fi
  done
fi
