#!/bin/sh
# examples/redis_server with Redis's own clients: redis-cli, redis-benchmark, hiredis.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

for command in redis-cli redis-benchmark; do
    command -v "$command" >/dev/null || skip "needs $command (Debian: redis-tools)"
done

server=
end() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
program=$EDDY_BUILD_DIR/examples/redis_server
mkfifo "$scratch/out"

start() { # OPTIONS...
    "$program" --port 0 "$@" >"$scratch/out" 2>>"$scratch/errors" &
    server=$!
    read -r line <"$scratch/out" || fail "the server printed nothing: $(cat "$scratch/errors")"
    port=${line##*listening on }
}

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server exits $?: $(cat "$scratch/errors")"
    server=
}

cli() {
    redis-cli -p "$port" "$@"
}

# answers WANTED COMMAND...: several lines of an answer are joined by spaces.
answers() {
    wanted=$1
    shift
    got=$(cli "$@" | tr '\n' ' ' | sed 's/ *$//')
    [ "$got" = "$wanted" ] || fail "$*: wanted '$wanted', got '$got'"
}

for wrong in "--port x" "--port" "x" "--max-clients 0"; do
    # shellcheck disable=SC2086
    status=0 && "$program" $wrong >"$scratch/log" 2>&1 || status=$?
    [ $status = 2 ] || fail "redis_server $wrong exits $status"
done

start --journal "$scratch/journal"

# ---- strings and keys

answers PONG ping
answers hello ping hello
answers OK set k v
answers v get k
answers "" get none
answers "" set k w nx
answers v set k x get
answers x get k
answers OK set n 10 px 100000
answers 11 incr n
answers 1 incrby n -10
answers "ERR value is not an integer or out of range" incr k
answers 9223372036854775807 incrby big 9223372036854775807
answers "ERR increment or decrement would overflow" incr big
answers 4 append k yyy
answers 4 strlen k
answers OK mset a 1 b 2
answers "1 2" mget a b c
answers 2 del a b c
answers 1 exists k
answers -1 ttl k
answers 1 expire k 100
answers 100 ttl k
answers 1 persist k
answers -2 ttl none
answers 1 pexpire k 1
await sh -c "[ -z \"\$(redis-cli -p $port get k)\" ]" || fail "a key outlives its time"
answers "ERR unknown command 'nonsense'" nonsense
answers "ERR wrong number of arguments for 'GET' command" get

# ---- lists

answers 3 rpush l a b c
answers 4 lpush l z
answers "z a b c" lrange l 0 -1
answers "b c" lrange l -2 100
answers z lpop l
answers c rpop l
answers 2 llen l
answers list type l
answers "WRONGTYPE Operation against a key holding the wrong kind of value" get l
answers "l a" blpop none l 1
answers "" blpop none 0.05

# Who waits first is served first; what is handed over is in no list.
cli blpop q 10 >"$scratch/first" &
first=$!
await sh -c "redis-cli -p $port info | grep -q 'connected_clients:2'" || fail "the first does not wait"
cli brpop r q 10 >"$scratch/second" &
second=$!
await sh -c "redis-cli -p $port info | grep -q 'connected_clients:3'" || fail "the second does not wait"
answers 3 rpush q one two three
wait "$first" "$second"
[ "$(tr '\n' ' ' <"$scratch/first")" = "q one " ] || fail "the first got $(cat "$scratch/first")"
[ "$(tr '\n' ' ' <"$scratch/second")" = "q three " ] || fail "the second got $(cat "$scratch/second")"
answers two lpop q
answers 0 exists q

# ---- channels, RESP3, pipelining

mkfifo "$scratch/says"
cli <"$scratch/says" >"$scratch/heard" &
reader=$!
exec 4>"$scratch/says"
echo "subscribe news" >&4
await sh -c "[ \"\$(redis-cli -p $port publish news first)\" = 1 ]" || fail "nobody has subscribed"
answers 0 publish other x
await grep -q first "$scratch/heard" || fail "nothing was heard: $(cat "$scratch/heard")"
exec 4>&-
kill "$reader" 2>/dev/null || true
wait "$reader" 2>/dev/null || true
[ "$(redis-cli -3 -p "$port" hello 3 | grep -c eddy)" = 1 ] || fail "HELLO 3"
printf 'SET p 1\r\nINCR p\r\n*2\r\n$3\r\nGET\r\n$1\r\np\r\nQUIT\r\n' | nc -N 127.0.0.1 "$port" >"$scratch/got"
printf '+OK\r\n:2\r\n$1\r\n2\r\n+OK\r\n' | cmp - "$scratch/got" || fail "pipelined: $(cat "$scratch/got")"
printf '*1\r\n$-5\r\n' | nc -N 127.0.0.1 "$port" | grep -q 'Protocol error' || fail "a broken command"

# ---- the journal: after an end, after a kill, after half a command

cli flushall >/dev/null
cli set kept value >/dev/null
cli set timed value px 100000000 >/dev/null
cli rpush list x y z >/dev/null
cli lpop list >/dev/null
stop
start --journal "$scratch/journal"
answers value get kept
answers "y z" lrange list 0 -1
[ "$(cli pttl timed)" -gt 90000000 ] || fail "a time was not kept: $(cli pttl timed)"
cli set last value >/dev/null
await grep -q last "$scratch/journal" || fail "the journal is not written"
kill -KILL "$server"
wait "$server" 2>/dev/null || true
printf '*3\r\n$3\r\nSET\r\n$4\r\nha' >>"$scratch/journal"
start --journal "$scratch/journal"
answers value get last
answers 4 dbsize
grep -q 'are no whole command, and are cut off' "$scratch/errors" || fail "half a command was not told"
stop
start --journal "$scratch/journal"
answers 4 dbsize

# ---- many at once, by the real thing

cli flushall >/dev/null
redis-benchmark -p "$port" -q -n 20000 -c 50 -P 16 -t set,get,incr,lpush,rpop >"$scratch/log" 2>&1 ||
    fail "redis-benchmark: $(cat "$scratch/log")"
answers 20000 get counter:__rand_int__
if [ -x "$EDDY_BUILD_DIR/examples/adapters/redis_count" ]; then
    expect 2000 "$EDDY_BUILD_DIR/examples/adapters/redis_count" "$port" 100 20
fi
head -c 5000000 /dev/zero | tr '\0' x >"$scratch/large"
cli -x set large <"$scratch/large" >/dev/null
answers 5000000 strlen large
cli get large | head -c 5000000 | cmp - "$scratch/large" || fail "a large value"
stop
[ ! -s "$scratch/errors" ] || [ "$(wc -l <"$scratch/errors")" = 1 ] || fail "$(cat "$scratch/errors")"
echo "redis: ok"
