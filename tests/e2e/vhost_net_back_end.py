#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Usage: vhost_net_back_end.py SOCKET

A host on a network of its own, as a vhost-user back end: it answers ARP and pings for
any address. Debian 12 has no small one. From the specifications, with split rings.
"""
import mmap
import os
import select
import socket
import struct
import sys

F_VERSION_1, F_PROTOCOL, F_MRG_RXBUF = 32, 30, 15
P_MQ, P_REPLY_ACK = 0, 3
(GET_FEATURES, SET_FEATURES, SET_OWNER, _, SET_MEM_TABLE) = range(1, 6)
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = range(8, 14)
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = range(15, 19)
NEED_REPLY = 8
RX, TX = 0, 1
NET_HEADER = 12
MAC = bytes.fromhex("52540000ee01")


class Ring:
    def __init__(self):
        self.size = self.next = self.used_next = 0
        self.desc = self.avail = self.used = 0
        self.kick = self.call = None
        self.enabled = False


class BackEnd:
    def __init__(self, connection):
        self.connection = connection
        self.rings = [Ring(), Ring()]
        self.memory = None
        self.base = self.user = 0

    def read(self, address, size):
        return self.memory[address - self.base:address - self.base + size]

    def write(self, address, data):
        self.memory[address - self.base:address - self.base + len(data)] = data

    def u16(self, address):
        return struct.unpack("<H", self.read(address, 2))[0]

    def chain(self, ring):
        """The next available buffer: head, and its parts as (address, length, writable)."""
        if self.u16(ring.avail + 2) == ring.next:
            return None
        head = index = self.u16(ring.avail + 4 + 2 * (ring.next % ring.size))
        ring.next = (ring.next + 1) & 0xffff
        parts = []
        while True:
            address, length, flags, following = struct.unpack("<QIHH", self.read(ring.desc + 16 * index, 16))
            parts.append((address, length, flags & 2))
            if not flags & 1:
                return head, parts
            index = following

    def push(self, ring, head, length):
        self.write(ring.used + 4 + 8 * (ring.used_next % ring.size), struct.pack("<II", head, length))
        ring.used_next = (ring.used_next + 1) & 0xffff
        self.write(ring.used + 2, struct.pack("<H", ring.used_next))
        os.write(ring.call, struct.pack("<Q", 1))

    def transmit(self, frame):
        buffer = self.chain(self.rings[RX])
        if not buffer:
            return
        head, parts = buffer
        data = struct.pack("<BBHHHHH", 0, 0, 0, 0, 0, 0, 1) + frame
        total = len(data)
        for address, length, _ in parts:
            self.write(address, data[:length])
            data = data[length:]
        self.push(self.rings[RX], head, total)

    def serve(self):
        while True:
            buffer = self.chain(self.rings[TX])
            if not buffer:
                return
            head, parts = buffer
            frame = b"".join(self.read(address, length) for address, length, _ in parts)[NET_HEADER:]
            self.push(self.rings[TX], head, 0)
            reply = answer(frame)
            if reply:
                self.transmit(reply)

    def handle(self, request, payload, fds):
        """The reply's payload, or None."""
        ring = self.rings[payload[0] & 1] if len(payload) >= 8 else None
        index, number = struct.unpack("<II", payload[:8]) if ring else (0, 0)
        if request == GET_FEATURES:
            return struct.pack("<Q", 1 << F_VERSION_1 | 1 << F_PROTOCOL | 1 << F_MRG_RXBUF)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", 1 << P_MQ | 1 << P_REPLY_ACK)
        if request == GET_QUEUE_NUM:
            return struct.pack("<Q", 2)
        if request == SET_MEM_TABLE:
            self.base, size, self.user, offset = struct.unpack("<QQQQ", payload[8:40])
            try:
                os.ftruncate(fds[0], 0)
                sys.exit("a back end can cut the guest's memory")
            except PermissionError:
                pass  # the vmm would be ended by its next access
            self.memory = mmap.mmap(fds[0], size, offset=offset)
        elif request == SET_VRING_NUM:
            ring.size = number
        elif request == SET_VRING_BASE:
            ring.next = number
        elif request == SET_VRING_ADDR:
            desc, used, avail = struct.unpack("<QQQ", payload[8:32])
            ring.desc, ring.used, ring.avail = (a - self.user + self.base for a in (desc, used, avail))
            ring.used_next = self.u16(ring.used + 2)
        elif request == SET_VRING_KICK:
            ring.kick = os.dup(fds[0])
        elif request == SET_VRING_CALL:
            ring.call = os.dup(fds[0])
        elif request == SET_VRING_ENABLE:
            ring.enabled = number == 1
        elif request == GET_VRING_BASE:
            ring.enabled = False
            return struct.pack("<II", index, ring.next)
        return None

    def message(self):
        header, fds, _, _ = socket.recv_fds(self.connection, 12, 8)
        if len(header) < 12:
            return False
        request, flags, size = struct.unpack("<III", header)
        payload = self.connection.recv(size, socket.MSG_WAITALL) if size else b""
        reply = self.handle(request, payload, fds)
        for fd in fds:
            os.close(fd)
        if reply is None and flags & NEED_REPLY:
            reply = bytes(8)
        if reply is not None:
            self.connection.sendall(struct.pack("<III", request, 5, len(reply)) + reply)
        return True

    def run(self):
        while True:
            live = [r for r in self.rings if r.enabled and r.kick is not None]
            ready, _, _ = select.select([self.connection] + [r.kick for r in live], [], [])
            if self.connection in ready and not self.message():
                return
            for ring in live:
                if ring.kick in ready and ring.enabled:
                    os.read(ring.kick, 8)
            if all(r.enabled for r in self.rings):
                self.serve()


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def answer(frame):
    """A frame that answers this one, or None."""
    who, kind = frame[6:12], frame[12:14]
    if kind == b"\x08\x06" and frame[20:22] == b"\x00\x01":
        sender, target = frame[28:32], frame[38:42]
        return who + MAC + kind + frame[14:20] + b"\x00\x02" + MAC + target + who + sender + bytes(18)
    if kind == b"\x08\x00" and frame[14] == 0x45 and frame[23] == 1 and frame[34] == 8:
        length = struct.unpack(">H", frame[16:18])[0]
        icmp = b"\x00\x00\x00\x00" + frame[38:14 + length]
        icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
        return who + MAC + kind + frame[14:26] + frame[30:34] + frame[26:30] + icmp
    return None


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    peer, _ = listener.accept()
    BackEnd(peer).run()
    peer.close()
