# Read by the other scripts.

# Where cargo builds, as an absolute path.
target_dir() {
  realpath -m "${CARGO_TARGET_DIR:-target}"
}

# A thousand sockets on both sides need more file descriptors than the 1024 of many shells.
more_descriptors() {
  ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
}

# A port of the loopback that was free a moment ago.
free_port() {
  local port
  while :; do
    port=$((RANDOM % 20000 + 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# wait_until SECONDS WHAT COMMAND...: looks until the command succeeds.
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      echo "waited in vain: $what" >&2
      return 1
    fi
    sleep 0.05
  done
}
