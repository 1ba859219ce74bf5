#!/bin/sh
# examples/adapters: other libraries on an eddy loop, each against the real thing. What is not installed is left
# out, and said; with EDDY_ALL_ADAPTERS set (in CI) that is a failure.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"

servers=
end() {
    for server in $servers; do
        kill -KILL "$server" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap end EXIT
programs=$EDDY_BUILD_DIR/examples/adapters
tested=

# wants PROGRAM COMMAND...: whether both are there.
wants() {
    program=$1
    shift
    for command in "$programs/$program" "$@"; do
        if ! command -v "$command" >/dev/null; then
            [ -z "${EDDY_ALL_ADAPTERS:-}" ] || fail "$program: there is no $command"
            echo "left out: $program needs $command"
            return 1
        fi
    done
    tested="$tested $program"
}

# refuses STATUS TEXT PROGRAM...: it exits so, and says that on standard error.
refuses() {
    status=$1 text=$2
    shift 2
    actual=0 && "$@" >"$scratch/out" 2>"$scratch/errors" || actual=$?
    [ $actual = "$status" ] || fail "$* exits $actual: $(cat "$scratch/errors")"
    grep -q "$text" "$scratch/errors" || fail "$* says: $(cat "$scratch/errors")"
}

# A port that is free now; nobody else takes one at random so soon.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- libcurl

if wants curl_many python3; then
    mkdir "$scratch/www"
    head -c 20000 /dev/urandom >"$scratch/www/file"
    mkfifo "$scratch/port"
    python3 "$EDDY_SOURCE_DIR/tests/support/www.py" "$scratch/www" >"$scratch/port" 2>/dev/null &
    servers="$servers $!"
    read -r port <"$scratch/port"

    expect "200 of 200 transfers, 4000000 bytes" "$programs/curl_many" "http://127.0.0.1:$port/file" 200
    refuses 2 "usage:" "$programs/curl_many"
    refuses 1 "the server says 404" "$programs/curl_many" "http://127.0.0.1:$port/none"
    # Fifty that do not end are cancelled, and nothing is left of them (a sanitizer would tell).
    refuses 1 "not all have ended in 1 seconds" "$programs/curl_many" "http://127.0.0.1:$port/hang" 50 1
    [ "$(cat "$scratch/out")" = "0 of 50 transfers, 0 bytes" ] || fail "of those that hang: $(cat "$scratch/out")"
    refuses 1 "Couldn't connect" "$programs/curl_many" "http://127.0.0.1:1/"
fi

# ---- hiredis

if wants redis_count redis-server redis-cli python3; then
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" \
        >"$scratch/redis.log" 2>&1 &
    redis=$!
    servers="$servers $redis"
    await redis-cli -p "$port" ping >/dev/null 2>&1 || fail "redis-server does not answer"

    expect 1000 "$programs/redis_count" "$port"
    expect 20000 "$programs/redis_count" "$port" 200 100
    refuses 2 "usage:" "$programs/redis_count" x
    # An answer that is an error has its text; a connection that is lost is an error of all that wait.
    redis-cli -p "$port" config set maxmemory 1 >/dev/null
    refuses 1 "OOM" "$programs/redis_count" "$port"
    redis-cli -p "$port" config set maxmemory 0 >/dev/null
    "$programs/redis_count" "$port" 100 100000 >"$scratch/out" 2>"$scratch/errors" &
    client=$!
    await sh -c "[ \"\$(redis-cli -p $port get eddy:count)\" -gt 1000 ] 2>/dev/null" || fail "nothing is counted"
    kill -KILL "$redis"
    status=0 && wait "$client" || status=$?
    [ $status = 1 ] || fail "redis_count exits $status when its server is gone"
fi

# ---- c-ares

if wants cares_lookup; then
    expect "127.0.0.1 127.0.0.1:0" "$programs/cares_lookup" 127.0.0.1
    "$programs/cares_lookup" localhost 127.0.0.1 >"$scratch/out" || fail "cares_lookup exits $?"
    grep -Eq '^localhost (127\.0\.0\.1|\[::1\]):0' "$scratch/out" || fail "localhost: $(cat "$scratch/out")"
    refuses 2 "usage:" "$programs/cares_lookup"
    status=0
    "$programs/cares_lookup" -s 127.0.0.1:1 example.org example.net >"$scratch/out" || status=$?
    [ $status = 1 ] || fail "without a name server cares_lookup exits $status"
    [ "$(wc -l <"$scratch/out")" = 2 ] || fail "of two names: $(cat "$scratch/out")"
fi

# ---- libpq

for folder in /usr/lib/postgresql/*/bin; do # where Debian has it; the newest, if there are several
    path=$folder
done
PATH=$PATH:$path
if wants pq_shop initdb postgres; then
    # It refuses to be root.
    as=
    [ "$(id -u)" != 0 ] || as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
    mkdir "$scratch/pg"
    chmod 711 "$scratch"
    [ -z "$as" ] || chown nobody "$scratch/pg"
    (
        cd /
        # shellcheck disable=SC2086
        quietly $as "$(command -v initdb)" -D "$scratch/pg" -A trust -U eddy -N
    )
    # shellcheck disable=SC2086
    (cd / && exec $as "$(command -v postgres)" -D "$scratch/pg" -k "$scratch/pg" -h '' -F) \
        >"$scratch/pg.log" 2>&1 &
    pg=$!
    servers="$servers $pg"
    where="host=$scratch/pg user=eddy dbname=postgres"
    await "$(command -v pg_isready)" -q -h "$scratch/pg" -U eddy || fail "postgres: $(cat "$scratch/pg.log")"

    expect "the sum of 100 squares is 338350
a long query: given up; 0 of it run on
heard it works" "$programs/pq_shop" "$where" 100
    refuses 1 "No such file" "$programs/pq_shop" "host=/nowhere"
    refuses 2 "usage:" "$programs/pq_shop"
    kill -INT "$pg"
    wait "$pg" || fail "postgres exits $?"
fi

# ---- SQLite

if wants sqlite_log; then
    expect "100 lines" "$programs/sqlite_log" "$scratch/db" 100
    expect "150 lines" "$programs/sqlite_log" "$scratch/db" 50
    refuses 1 "nothing of it was written" "$programs/sqlite_log" "$scratch/db" 100000000 50
    expect "150 lines" "$programs/sqlite_log" "$scratch/db" 0
    refuses 1 "No such file" "$programs/sqlite_log" /nowhere/db 1
    refuses 2 "usage:" "$programs/sqlite_log" "$scratch/db" x
fi

# ---- SDL, without a screen

if wants sdl_pong; then
    export SDL_VIDEODRIVER=dummy
    # Into the wall and back, missed; a pause that only a timer of the loop ends, and a quit in a frame.
    expect "a pause
and on
lost, after 1 hits" "$programs/sdl_pong" --script 20d,70u,120p,121d,500p,900u
    expect "" "$programs/sdl_pong" --script 20q
    refuses 2 "usage:" "$programs/sdl_pong" --script 20x
    refuses 2 "usage:" "$programs/sdl_pong" --script 20d,u
    refuses 1 "none not available" env SDL_VIDEODRIVER=none "$programs/sdl_pong"
fi

# ---- GLib

if wants glib_count; then
    head -c 1000000 /dev/zero >"$scratch/mega"
    expect "$scratch/mega: 1000000 bytes" "$programs/glib_count" "$scratch/mega" 2>"$scratch/errors"
    refuses 1 "GLib's timer" "$programs/glib_count" -t 50 "$scratch/mega" /nowhere /dev/zero "$scratch/mega"
    [ "$(cat "$scratch/out")" = "$scratch/mega: 1000000 bytes
/nowhere: No such file or directory
/dev/zero: given up
$scratch/mega: 1000000 bytes" ] || fail "glib_count prints: $(cat "$scratch/out")"
    refuses 2 "usage:" "$programs/glib_count" -t 50
fi

[ -n "$tested" ] || skip "no library that the adapters are for is installed"
echo "tested:$tested"
