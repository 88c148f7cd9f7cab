#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A text file as an array of C: embed.py INPUT OUTPUT NAME"""
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write("static const char %s[] = {\n" % sys.argv[3])
    for at in range(0, len(data), 16):
        out.write("    " + "".join("%d, " % (b - 256 if b > 127 else b) for b in data[at:at + 16]) + "\n")
    out.write("    0,\n};\n")
