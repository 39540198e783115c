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

# shows a process another time
faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1'; }

chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

need build-essential has cc
need pkg-config has pkg-config
need libpq-dev libpq
if [ "$wanted" = test ]; then
  need redis-server has redis-server
  need redis-tools has redis-cli
  need postgresql postgres
  need libfaketime faketime
  need chromium chromium
  need python3-venv python3 -c 'import ensurepip, venv'
  need default-jdk-headless has javac
  need maven has mvn
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

# newer MADE FROM: MADE was made of FROM as it is now
newer() { [ "$1" -nt "$2" ]; }

node_packages() {
  # npm writes this file last
  newer node_modules/.package-lock.json package-lock.json && return
  echo "setup: installing the packages of tests/clients"
  npm ci --no-audit --no-fund --loglevel=error
}

python_packages() ( # python_packages FOLDER
  cd "$1"
  newer .venv/installed requirements.txt && return
  echo "setup: installing the packages of tests/clients/$1"
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
  touch .venv/installed
)

java_packages() (
  cd java
  newer lib/checked jars.sha256 && newer lib/checked pom.xml && return
  echo "setup: installing the packages of tests/clients/java"
  rm -rf lib
  mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib
  (cd lib && sha256sum --quiet --check ../jars.sha256 && touch checked)
)

if [ "$wanted" = test ]; then
  cd tests/clients
  node_packages
  python_packages python
  python_packages openapi
  if has javac >/dev/null && has mvn >/dev/null; then java_packages; else echo "setup: no JDK: the Java client is left out"; fi
fi
