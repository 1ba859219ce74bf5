# For the tests that run programs (sh): waiting for what programs say, never for a time.
# shellcheck shell=sh

export LC_ALL=C # what other people's programs say is looked at

# await COMMAND...: waits until it succeeds; false if it does not within a minute, or longer on a slow
# machine.
await() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || return 1
        sleep 0.05
    done
}

# has_text TEXT FILE: is that all that is in it?
has_text() {
    [ "$(cat "$2")" = "$1" ]
}

# Debian has two programs of the name nc; the other one has no -N.
has_nc() {
    nc -h 2>&1 | grep -q '^[[:space:]]*-N[[:space:]]' && return
    echo "skipped: needs nc of OpenBSD (Debian: apt-get install netcat-openbsd)"
    return 1
}
