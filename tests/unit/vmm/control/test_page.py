#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The control interface's page in a real browser: its charts are drawn from the numbers of a VM, and
it asks nobody but the VM. A proxy joins the browser's TCP and the VM's Unix socket, and lets the
counters grow.

    test_page.py CONTROL-FAKE [SCREENSHOT]
"""
import http.client
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Proxy(http.server.BaseHTTPRequestHandler):
    vm = None  # path of its socket
    asked = []
    looks = 0

    def do_GET(self):
        connection = UnixConnection(self.vm)
        connection.request("GET", self.path, headers={"Accept": self.headers.get("Accept", "*/*")})
        answer = connection.getresponse()
        body = answer.read()
        Proxy.asked.append(self.path)
        if self.path == "/metrics":
            Proxy.looks += 1
            body = re.sub(rb"(?m)^(\w+_(?:total|sum|count)(?:\{.*\})?) (\S+)$", self.grow, body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def grow(match):
        more = 1e-4 if b"_seconds" in match.group(1) and b"_count" not in match.group(1) else 100000
        return b"%s %.6f" % (match.group(1), float(match.group(2)) + Proxy.looks ** 2 * more)

    def log_message(self, *args):
        pass


def check(name, is_true, shown=""):
    print("%s: %s" % ("ok" if is_true else "FAILED", name))
    if not is_true:
        print(str(shown)[-3000:])
    return is_true


def browse(browser, folder, url, *more):
    return subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--user-data-dir=" + os.path.join(folder, "profile"), "--enable-logging=stderr", "--v=0",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=1100,900",
         "--virtual-time-budget=6000", *more, url],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90, check=False)


def main():
    browser = next((b for b in BROWSERS if shutil.which(b)), None)
    if not browser:
        print("no Chromium here")
        return 77
    good = True
    with tempfile.TemporaryDirectory() as folder:
        Proxy.vm = os.path.join(folder, "s")
        with subprocess.Popen([sys.argv[1], Proxy.vm], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as vm:
            vm.stdout.readline()
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = "http://127.0.0.1:%d/" % server.server_port
            seen = browse(browser, folder, url, "--dump-dom")
            dom, console = seen.stdout, [l for l in seen.stderr.splitlines() if "CONSOLE" in l]
            good &= check("page_has_the_name_of_the_vm", "<h1 id=\"name\">ringvisor" not in dom and "<h1 id=\"name\">" in dom, dom or seen.stderr)
            good &= check("page_has_its_state", ">running</span>" in dom, dom)
            good &= check("page_has_four_charts", dom.count("<canvas ") == 4, dom)
            good &= check("exits_are_drawn_by_kind", ">HVC" in dom, dom)
            good &= check("time_to_answer_is_drawn", len(re.findall(r">HVC[^<]*</td>", dom)) == 2, dom)
            good &= check("sleeps_of_the_loop_are_drawn", ">sleeps /s</td>" in dom, dom)
            good &= check("bytes_of_disks_are_drawn", ">virtio-blk@a000000 bytes read</td>" in dom, dom)
            good &= check("page_looks_again_and_again", Proxy.looks >= 3, Proxy.asked)
            good &= check("page_asks_for_nothing_else", set(Proxy.asked) == {"/", "/vm", "/metrics"}, Proxy.asked)
            good &= check("browser_complains_of_nothing", not console, "\n".join(console))
            if len(sys.argv) > 2:
                browse(browser, folder, url, "--screenshot=" + os.path.abspath(sys.argv[2]))
            server.shutdown()
            vm.stdin.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
