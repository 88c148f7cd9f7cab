#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Checks docs/openapi.json against the control interface: the document has each route that is
served and no other, each status that it names is seen, and each answer has the form that it says.

    test_openapi.py OPENAPI-JSON CONTROL-FAKE
"""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile

import jsonschema

BLK = "/devices/virtio-blk@a000000"
NET = "/devices/virtio-net@a000200"
DEVICE, COMMAND = "/devices/{device}", "/devices/{device}/commands/{command}"
LARGE = '{"x": "' + "x" * 70000 + '"}'
CANCELED = -125
SNAPSHOT = '{"directory": "/tmp/snap"}'

# What is sent: method, path of the document, path, body, the status that must come, and what the
# VM is like before ("button 1") or while the answer is awaited ("then reply -125").
REQUESTS = [
    ("GET", "/", "/", None, 200),
    ("GET", "/vm", "/vm", None, 200),
    ("POST", "/vm/pause", "/vm/pause", None, 200),
    ("POST", "/vm/pause", "/vm/pause", LARGE, 413),
    ("GET", "/vm", "/vm", None, 200),
    ("GET", "/vcpus", "/vcpus", None, 200),
    ("POST", "/vm/stop", "/vm/stop", None, 409),
    ("POST", "/vm/resume", "/vm/resume", None, 200),
    ("POST", "/vm/pause", "/vm/pause", None, 500, "pause-fails 1"),
    ("POST", "/vm/resume", "/vm/resume", None, 200, "pause-fails 0"),
    ("POST", "/vm/stop", "/vm/stop", None, 202, "button 1"),
    ("POST", "/vm/snapshot", "/vm/snapshot", SNAPSHOT, 200, "then snapshot-ends 0"),
    ("POST", "/vm/snapshot", "/vm/snapshot", SNAPSHOT, 500, "then snapshot-ends 1"),
    ("POST", "/vm/snapshot", "/vm/snapshot", '{"directory": "snap"}', 400),
    ("POST", "/vm/snapshot", "/vm/snapshot", SNAPSHOT, 409, "snapshot-fails -17"),
    ("POST", "/vm/snapshot", "/vm/snapshot", LARGE, 413, "snapshot-fails 0"),
    ("GET", "/exits", "/exits", None, 200),
    ("GET", "/metrics", "/metrics", None, 200),
    ("GET", "/trace", "/trace?kind=hvc", None, 200),
    ("GET", "/trace", "/trace?format=perfetto", None, 200),
    ("GET", "/trace", "/trace?kind=nosuch", None, 400),
    ("GET", "/trace", "/trace", None, 409, "/trace 4"),
    ("POST", "/record/stop", "/record/stop", None, 409),
    ("GET", "/record", "/record", None, 200),
    ("POST", "/record/stop", "/record/stop", None, 200, "/record 1"),
    ("POST", "/record/stop", "/record/stop", LARGE, 413),
    ("GET", "/record", "/record", None, 409, "records 0"),
    ("GET", "/console", "/console", None, 200, "console 1"),
    ("GET", "/console", "/console", None, 409, "/console 8"),
    ("POST", "/console", "/console", "ls", 200),
    ("POST", "/console", "/console", LARGE, 413),
    ("POST", "/console", "/console", "ls", 200, "reads 0"),
    ("POST", "/console", "/console", "x" * 65536, 409),
    ("GET", "/console", "/console", None, 404, "console 0"),
    ("POST", "/console", "/console", "ls", 404),
    ("GET", "/devices", "/devices", None, 200),
    ("GET", DEVICE, BLK, None, 200),
    ("GET", DEVICE, NET, None, 200),
    ("GET", DEVICE, "/devices/uart@9000000", None, 200),
    ("GET", DEVICE, "/devices/a%00b", None, 400),
    ("GET", DEVICE, "/devices/none", None, 404),
    ("PATCH", DEVICE, NET, '{"link": "down"}', 200),
    ("PATCH", DEVICE, NET, '{"link": "loose"}', 400),
    ("PATCH", DEVICE, NET, '{"link": 1, "dns": 2}', 400),
    ("PATCH", DEVICE, NET, '{"nosuch": "x"}', 404),
    ("PATCH", DEVICE, NET, '{"dns": "x"}', 409),
    ("POST", COMMAND, BLK + "/commands/resize", '{"size": 4096}', 200),
    ("POST", COMMAND, BLK + "/commands/fail", "{}", 400),
    ("POST", COMMAND, BLK + "/commands/resize", "[]", 400),
    ("POST", COMMAND, BLK + "/commands/nosuch", None, 404),
    ("POST", COMMAND, BLK + "/commands/later", None, 409, "then reply -16"),
    ("POST", COMMAND, BLK + "/commands/resize", LARGE, 413),
    ("POST", COMMAND, BLK + "/commands/garbage", None, 500),
    ("POST", COMMAND, BLK + "/commands/later", None, 503, "then reply %d" % CANCELED),
    ("GET", "/disks", "/disks", None, 200),
    ("GET", "/networks", "/networks", None, 200),
    ("POST", "/vm/reset", "/vm/reset", None, 202),
    ("GET", "/vm", "/vm", None, 200),
    ("POST", "/vm/kill", "/vm/kill", None, 202),
    ("GET", "/nosuch", "/nosuch", None, 404),
]


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.unix = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix)


class Checker:
    def __init__(self, document, fake, path):
        self.document = document
        self.fake = fake
        self.path = path
        self.seen = set()
        self.failures = []

    def tell(self, line):
        self.fake.stdin.write(line + "\n")
        self.fake.stdin.flush()
        assert self.fake.stdout.readline() == "obeyed\n"

    def fail(self, what):
        self.failures.append(what)

    def validate(self, schema, value, what):
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema",
                 "components": self.document["components"], **schema}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            self.fail("%s: %s: %s" % (what, "/".join(map(str, error.path)), error.message))

    def operation(self, method, template, status):
        """The place in the document: for a method that a path has not, any of the path's."""
        methods = self.document["paths"].get(template, {})
        if method.lower() in methods:
            return method, methods[method.lower()]
        for name, operation in methods.items():
            if name != "parameters" and str(status) in operation["responses"]:
                return name.upper(), operation
        return None, None

    def begin(self, method, path, body):
        connection = Connection(self.path)
        connection.request(method, path, body)
        return connection

    def finish(self, connection, method, template, path, status):
        what = "%s %s %d" % (method, template, status)
        response = connection.getresponse()
        endless = template in ("/trace", "/console", "/record") and method == "GET" and status == 200
        text = b"" if endless else response.read()
        connection.close()
        if response.status != status:
            self.fail("%s: the status is %d: %s" % (what, response.status, text[:200]))
            return
        name, operation = self.operation(method, template, status)
        if not operation:
            # A path that is not there: the one form of all errors is what counts.
            self.validate({"$ref": "#/components/schemas/Error"}, json.loads(text), what)
            return
        if str(status) not in operation["responses"]:
            self.fail("%s: the status is not documented" % what)
            return
        self.seen.add((name, template, str(status)))
        reference = operation["responses"][str(status)]["$ref"]
        documented = self.document["components"]["responses"][reference.split("/")[-1]]
        kind = response.headers.get_content_type()
        content = documented["content"].get(kind)
        if endless:
            wanted = {"/trace": "text/plain", "/trace?kind=hvc": "text/plain"}
            wanted["/trace?format=perfetto"] = "application/json"
            wanted["/console"] = wanted["/record"] = "application/octet-stream"
            if kind != wanted[path] or content is None:
                self.fail("%s: the type is %s" % (what, kind))
        elif not content or len(documented["content"]) != 1:
            self.fail("%s: the type is %s" % (what, response.headers["Content-Type"]))
        elif kind == "text/plain":
            self.check_metrics(text.decode())
        else:
            self.validate(content["schema"], json.loads(text), what)

    def check_metrics(self, text):
        """The text format of Prometheus: each metric has its help and type before its samples."""
        seen, current = set(), None
        for line in text.splitlines():
            head = re.fullmatch(r"# (HELP|TYPE) ([a-z_0-9]+) (.+)", line)
            if head and head[1] == "HELP":
                current = head[2]
                if current in seen:
                    self.fail("metric %s: not in one place" % current)
                seen.add(current)
            elif head:
                if head[2] != current or head[3] not in ("counter", "gauge", "histogram"):
                    self.fail("metrics: %s" % line)
            else:
                sample = re.fullmatch(
                    r'([a-z_0-9]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+', line)
                names = [current + end for end in ("", "_bucket", "_sum", "_count")]
                if not sample or sample[1] not in names:
                    self.fail("metrics: %s" % line)
        for name in ("ringvisor_uptime_seconds", "ringvisor_exits_total",
                     "ringvisor_exit_answer_seconds", "ringvisor_device_reads_total"):
            if name not in seen:
                self.fail("metric %s: not there" % name)

    def request(self, method, template, path, body, status, setting=""):
        traces = []
        if setting.startswith("/"):
            traces = [self.begin("GET", setting.split()[0], None)
                      for _ in range(int(setting.split()[1]))]
            for trace in traces:
                trace.getresponse()
        elif setting and not setting.startswith("then "):
            self.tell(setting)
        connection = self.begin(method, path, body)
        if setting.startswith("then "):
            self.await_command()
            self.tell(setting[len("then "):])
        self.finish(connection, method, template, path, status)

    def await_command(self):
        # A second request is answered after the first one has been taken.
        connection = self.begin("GET", "/vm", None)
        connection.getresponse().read()
        connection.close()

    def check_routes(self):
        connection = self.begin("GET", "/", None)
        served = set(json.loads(connection.getresponse().read())["routes"])
        connection.close()
        documented = set()
        for path, methods in self.document["paths"].items():
            plain = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
            documented |= {m.upper() + " " + plain for m in methods if m != "parameters"}
        for route in served - documented:
            self.fail("%s: served and not documented" % route)
        for route in documented - served:
            self.fail("%s: documented and not served" % route)

    def check_all_seen(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                for status in operation["responses"] if method != "parameters" else []:
                    if (method.upper(), path, status) not in self.seen:
                        self.fail("%s %s %s: not seen" % (method.upper(), path, status))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "me.sock")
    fake = subprocess.Popen([sys.argv[2], path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    checker = Checker(document, fake, path)
    try:
        assert fake.stdout.readline() == "serving\n"
        checker.check_routes()
        for request in REQUESTS:
            checker.request(*request)
        for template in document["paths"]:
            target = template.replace("{device}", "x").replace("{command}", "x")
            checker.request("DELETE", template, target, None, 405)
        # A resume of a VM whose disks do not come to rest; one that comes while a pause waits; and
        # then the end of the VM.
        checker.tell("quiet 0")
        waiting = [checker.begin("POST", "/vm/" + action, None) for action in ("pause", "resume")]
        for connection, action in zip(waiting, ("pause", "resume")):
            checker.finish(connection, "POST", "/vm/" + action, "/vm/" + action, 409)
        checker.tell("quiet 1")
        checker.request("POST", "/vm/resume", "/vm/resume", None, 200)
        checker.tell("quiet 0")
        pause = checker.begin("POST", "/vm/pause", None)
        checker.await_command()
        resume = checker.begin("POST", "/vm/resume", None)
        checker.await_command()
        checker.tell("quiet 1")
        checker.finish(pause, "POST", "/vm/pause", "/vm/pause", 409)
        checker.finish(resume, "POST", "/vm/resume", "/vm/resume", 200)
        checker.tell("request 0")  # the reset is over
        checker.tell("quiet 0")
        waiting = [("POST", "/vm/pause", None), ("POST", "/vm/resume", None),
                   ("POST", "/vm/snapshot", SNAPSHOT)]
        connections = [checker.begin(*request) for request in waiting]
        checker.await_command()
        checker.tell("end")
        for connection, (method, target, _) in zip(connections, waiting):
            checker.finish(connection, method, target, target, 503)
        checker.check_all_seen()
        fake.stdin.close()
        if fake.wait(10):
            checker.fail("the server ended with status %d" % fake.returncode)
    finally:
        fake.kill()
        fake.wait()
        if os.path.exists(path):
            checker.fail("the socket is left behind")
            os.unlink(path)
        os.rmdir(folder)
    for failure in checker.failures:
        print("FAILED:", failure)
    print("%d answers seen" % len(checker.seen))
    return 1 if checker.failures else 0


if __name__ == "__main__":
    sys.exit(main())
