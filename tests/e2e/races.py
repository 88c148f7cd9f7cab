#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Usage: races.py SOCKET DIRECTORY SECONDS

Requests to a guest that runs, which come while another one is being done, and clients that go
before they are answered. After each the guest runs on. At the end it is killed in a snapshot.
Snapshots go to DIRECTORY. Each answer has to come within SECONDS.
"""
import json
import os
import socket
import sys
import time

path, folder = sys.argv[1:3]
failed = 0
WAIT_S = int(sys.argv[3])


def check(name, holds, seen=""):
    global failed
    print("%s: %s" % ("ok" if holds else "FAILED", name), "" if holds else seen, flush=True)
    failed |= not holds


def send(method, route, body=None):
    """A connection on which the request is sent."""
    text = json.dumps(body) if body else ""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(WAIT_S)
    s.connect(path)
    s.sendall(("%s %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (method, route, len(text), text))
              .encode())
    return s


def answer(s):
    """Status and JSON; (0, None): the connection has ended without one."""
    data = b""
    try:
        while piece := s.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    s.close()
    head, _, body = data.partition(b"\r\n\r\n")
    if not head:
        return 0, None
    return int(head.split()[1]), json.loads(body)


def ask(method, route, body=None):
    return answer(send(method, route, body))


def exits():
    return ask("GET", "/exits")[1]["total"]


def runs():
    """It is running, or will be soon, and makes exits."""
    end = time.monotonic() + WAIT_S
    while ask("GET", "/vm")[1]["state"] != "running":
        if time.monotonic() > end:
            return False
    before = exits()
    while exits() == before:
        if time.monotonic() > end:
            return False
    return True


def snapshot(name, **more):
    return "POST", "/vm/snapshot", {"directory": os.path.join(folder, name), **more}


def left():
    return sorted(os.listdir(folder))


# Two at once: one is taken.
answers = [answer(s) for s in [send(*snapshot("one")), send(*snapshot("two"))]]
statuses = sorted(status for status, _ in answers)
check("of_two_snapshots_at_once_one_is_taken", statuses == [200, 409], answers)
check("the_other_one_leaves_nothing", len(left()) == 1, left())
check("the_guest_runs_after_two_snapshots", runs())

# Each action, while a snapshot is taken.
for action in ("stop", "pause", "reset", "resume"):
    s = send(*snapshot("with-" + action))
    status, body = ask("POST", "/vm/" + action)
    taken, why = answer(s)
    check("%s_in_a_snapshot_is_answered" % action, status in (200, 202, 409), (status, body))
    check("a_snapshot_with_%s_is_taken_or_refused" % action,
          (taken == 200) == ("with-" + action in left()) and taken in (200, 409), (taken, why))
    ask("POST", "/vm/resume")
    check("the_guest_runs_after_%s_in_a_snapshot" % action, runs())

# A recording, and what ends it.
for action in ("pause", "reset", "snapshot"):
    recording = send("GET", "/record")
    head = recording.recv(64)
    check("a_recording_begins_before_%s" % action, b" 200 " in head, head)
    busy, _ = ask("GET", "/record")
    check("a_second_one_is_refused", busy == 409, busy)
    if action == "snapshot":
        ask(*snapshot("recorded"))
    else:
        ask("POST", "/vm/" + action)
    rest = b""
    while piece := recording.recv(65536):
        rest += piece
    recording.close()
    check("%s_ends_the_recording" % action, len(rest) > 100, rest)
    ask("POST", "/vm/resume")
    check("the_guest_runs_after_a_recording_and_%s" % action, runs())

# Clients that go: at once, in the middle of the request, and a moment later.
routes = [r.replace("/devices/{}/commands/{}", "/devices/pl011@9000000/commands/none")
          .replace("{}", "pl011@9000000").split() for r in ask("GET", "/")[1]["routes"]]
for method, route in routes:
    if route == "/vm/kill":
        continue
    body = {"directory": os.path.join(folder, "gone")} if route == "/vm/snapshot" else None
    for part in (1.0, 0.5):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        text = json.dumps(body) if body else ""
        request = ("%s %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
                   % (method, route, len(text), text)).encode()
        s.sendall(request[:int(len(request) * part)])
        s.close()
    s = send(method, route, body)
    ask("GET", "/vm")
    s.close()
    ask("POST", "/vm/resume")
check("the_guest_runs_after_clients_that_went", runs())
check("there_are_many_routes", len(routes) > 20, routes)

# Killed while a snapshot is taken: it is whole, or not there.
before = left()
s = send(*snapshot("killed"))
status, _ = ask("POST", "/vm/kill")
taken, _ = answer(s)
check("a_kill_in_a_snapshot_is_obeyed", status == 202, status)
new = [name for name in left() if name not in before]
# What was on its last step is taken, although its client is told of the end.
whole = new == ["killed"] and "manifest.json" in os.listdir(os.path.join(folder, "killed"))
check("a_snapshot_that_was_killed_leaves_nothing_by_half",
      whole or (not new and taken != 200), (taken, new))
sys.exit(failed)
