#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The host's side of tests/e2e/test_vsock.sh: Unix sockets in Firecracker's convention.

  vsock_host.py PATH serve FILE RESULT   ports 1000 (echo), 1001 (takes a file to RESULT),
                                         1002 (gives FILE), 1003 (takes, but reads slowly),
                                         1004 (takes, but reads after 12 s)
  vsock_host.py PATH many PORT N         N connections to the guest at once; each must echo
  vsock_host.py PATH bulk PORT FILE      FILE to the guest's echo and back, at the same time
  vsock_host.py PATH words WORDS         what is answered to them ('' if the door is shut)
"""

import os
import socket
import sys
import threading
import time

PATH = sys.argv[1]


def dial(port):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(60)
    peer.connect(PATH)
    peer.sendall(b"CONNECT %d\n" % port)
    answer = b""
    while not answer.endswith(b"\n"):
        byte = peer.recv(1)
        if not byte:
            raise ConnectionResetError("closed")
        answer += byte
    if not answer.startswith(b"OK "):
        raise ConnectionResetError(answer)
    return peer


def everything(peer):
    data = bytearray()
    while piece := peer.recv(1 << 16):
        data += piece
    return bytes(data)


def echo(peer):
    while piece := peer.recv(1 << 16):
        peer.sendall(piece)
    peer.shutdown(socket.SHUT_WR)


def take(peer, name, delay):
    time.sleep(delay)
    with open(name + ".part", "wb") as file:
        file.write(everything(peer))
    os.rename(name + ".part", name)


def give(peer, name):
    with open(name, "rb") as file:
        peer.sendfile(file)


def serve(source, result):
    ports = {1000: echo, 1001: lambda peer: take(peer, result, 0), 1002: lambda peer: give(peer, source),
             1003: lambda peer: take(peer, result + ".slow", 1),
             1004: lambda peer: take(peer, result + ".late", 12)}

    def accept(listener, handler):
        while True:
            peer = listener.accept()[0]

            def one(peer=peer):
                with peer:
                    handler(peer)
            threading.Thread(target=one, daemon=True).start()

    for port, handler in ports.items():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{PATH}_{port}")
        listener.listen(512)
        threading.Thread(target=accept, args=(listener, handler), daemon=True).start()
    print("serving", flush=True)
    threading.Event().wait()


def many(port, count):
    peers = [dial(port) for _ in range(count)]
    for number, peer in enumerate(peers):
        peer.sendall(b"%d" % number)
        peer.shutdown(socket.SHUT_WR)
    good = sum(everything(peer) == b"%d" % number for number, peer in enumerate(peers))
    print(f"{good} of {count} echoed")


def bulk(port, name):
    with open(name, "rb") as file:
        data = file.read()
    peer = dial(port)

    def send():
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    print("bulk is the same" if everything(peer) == data else "bulk differs")
    sender.join()


def words(text):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(PATH)
    peer.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
    try:
        print(repr(peer.recv(100)))
    except ConnectionResetError:
        print("b''")


{"serve": lambda: serve(*sys.argv[3:]), "many": lambda: many(int(sys.argv[3]), int(sys.argv[4])),
 "bulk": lambda: bulk(int(sys.argv[3]), sys.argv[4]), "words": lambda: words(sys.argv[3])}[sys.argv[2]]()
