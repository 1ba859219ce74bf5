#!/bin/sh
# The examples that watch a loop: the trace is JSON in which every bar that begins ends, and the page of
# metrics is as Prometheus reads it.
set -eu

# shellcheck source-path=SCRIPTDIR source=../support/e2e.sh
. "$EDDY_SOURCE_DIR/tests/support/e2e.sh"
command -v python3 >/dev/null || skip "there is no python3 (Debian: python3)"

"$EDDY_BUILD_DIR/examples/trace_to_chrome" >"$scratch/trace.json" || fail "trace_to_chrome exits $?"
python3 - "$scratch/trace.json" <<'END_OF_CHECK' || fail "the trace is none"
"""Each task has a name and a row of bars that follow each other, of which at most one is open."""
import json
import sys

with open(sys.argv[1]) as file:
    events = json.load(file)
names, bars, cancels, now, bar = {}, {}, 0, {}, {}
for event in events:
    task = event["tid"]
    if event["ph"] == "M":
        assert task not in names, "two names: %s" % event
        names[task] = event["args"]["name"]
        continue
    assert task in names, "no name: %s" % event
    assert event["ts"] >= now.get(task, 0), "before the last: %s" % event
    now[task] = event["ts"]
    if event["ph"] == "B":
        assert bar.get(task) is None, "inside another: %s" % event
        bar[task] = event["name"]
        bars.setdefault(task, []).append(event["name"])
    elif event["ph"] == "E":
        assert bar.get(task) is not None, "nothing to end: %s" % event
        bar[task] = None
    else:
        assert event["ph"] == "i" and event["name"] == "cancel", "what is it: %s" % event
        cancels += 1
assert not any(bar.values()), "left open: %s" % bar
assert sorted(names.values()) == ["cook", "cook", "guest", "restaurant", "waiter", "waiter"], names
assert cancels == 2, cancels
assert bars[1] == ["ready", "restaurant", "gather", "ready", "restaurant"], bars[1]
END_OF_CHECK
echo "a trace: ok"

"$EDDY_BUILD_DIR/examples/metrics_prometheus" 0 >"$scratch/address" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
python3 - "$scratch/address" <<'END_OF_CHECK' || fail "the page of metrics is none"
"""https://prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4."""
import re
import sys
import time
import urllib.request

address = ""
for _ in range(1000):
    with open(sys.argv[1]) as file:
        address = file.read()
    if address.endswith("\n"):
        break
    time.sleep(0.01)
values = []
for _ in range(2):
    with urllib.request.urlopen(address.strip(), timeout=60) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
        page = answer.read().decode()
    assert page.endswith("\n")
    lines = page.splitlines()
    assert len(lines) % 3 == 0
    metrics = {}
    for help_line, type_line, sample in zip(lines[::3], lines[1::3], lines[2::3]):
        name = re.fullmatch(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) \S.*", help_line)[1]
        kind = re.fullmatch(r"# TYPE %s (counter|gauge)" % name, type_line)[1]
        assert (kind == "counter") == name.endswith("_total"), name
        assert name.startswith("eddy_") and name not in metrics, name
        value = re.fullmatch(r"%s ([0-9]+(\.[0-9]{9})?)" % name, sample)[1]
        assert ("_seconds" in name) == ("." in value), sample
        metrics[name] = float(value)
    values.append(metrics)
before, after = values
assert all(after[name] >= before[name] for name in before if name.endswith("_total")), values
for name in ("turns", "steps", "wakes", "fd_events", "tasks_spawned", "sleeps"):
    assert after["eddy_%s_total" % name] > before["eddy_%s_total" % name], name
# Of those that live one answers, and the others wait.
assert after["eddy_tasks_live"] == 4 and after["eddy_tasks_waiting"] == 3, after
END_OF_CHECK
echo "metrics: ok"
