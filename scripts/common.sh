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
    # below those that the system gives to connections that go out
    port=$((RANDOM % 12000 + 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# start_redis FOLDER: a Redis with throwaway data, its process in $redis and its port in $redis_port. Another program
# may take a port between the look and the bind: then Redis ends, and the next port is tried.
start_redis() {
  local dir=$1 try
  for try in 1 2 3 4 5; do
    redis_port=$(free_port)
    redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/redis.log" 2>&1 &
    redis=$!
    wait_until 60 "redis-server accepts connections" redis_is_up_or_gone "$dir/redis.log" || break
    if kill -0 "$redis" 2>/dev/null; then return; fi
  done
  kill "$redis" 2>/dev/null || true
  cat "$dir/redis.log" >&2
  return 1
}

# What its own log says: on a port that was taken, another Redis might answer.
redis_is_up_or_gone() {
  grep -q 'Ready to accept connections' "$1" || ! kill -0 "$redis"
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
