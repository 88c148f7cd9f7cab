#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Checks the manual pages: each command of vmm has one, it has the options that `vmm help COMMAND`
shows and no others, vmm(1) and the build name it, and scdoc takes it.

    man.py ROOT VMM
"""
import os
import re
import subprocess
import sys

NOT_FOR_USERS = {"help", "complete"}
failures = []


def check(what, holds):
    if not holds:
        failures.append(what)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def defaults(text, option):
    """What the text of an option, in a help or a page, says that its default is."""
    words, is_its = "", False
    for line in text.splitlines():
        if re.match(r"(\*-.\*, |  -., |      )?\*?--", line):
            is_its = re.search(r"--%s(?![a-z-])" % option[2:], line) is not None
        elif not line.strip():
            is_its = False
        words += line + "\n" if is_its else ""
    return {" ".join(found.split()) for found in re.findall(r"\(default:? ([^),;:]*)", re.sub(r"[*_\\\\]", "", words))}


def main():
    folder, vmm = os.path.join(sys.argv[1], "docs/man"), sys.argv[2]
    build, overview = read(folder + "/meson.build"), read(folder + "/vmm.1.scd")
    commands = set(re.findall(r"^  ([a-z]+) ", output(vmm, "help"), re.M)) - NOT_FOR_USERS
    check("commands are found", len(commands) > 10)
    for command in commands:
        page = "vmm-%s" % command
        try:
            page_text = read("%s/%s.1.scd" % (folder, page))
        except FileNotFoundError:
            check("%s: there is no page" % command, False)
            continue
        listed = re.search(r"^# OPTIONS\n(.*?)^# ", page_text, re.M | re.S)
        described = set(re.findall(r"^(?:\*-.\*, )?\*(--[a-z-]+)\*", listed[1], re.M))
        text = output(vmm, "help", command)
        shown = set(re.findall(r"^  (?:-., |    )(--[a-z-]+)|\[(--[a-z-]+)", text, re.M))
        shown = {name for names in shown for name in names if name}
        shown |= {"--help"}
        check("%s: only in the help or only in the page: %s" % (page, described ^ shown),
              described == shown)
        check("%s: it has the exit status" % page, "\n# EXIT STATUS\n" in page_text)
        for option in described:
            check("%s: %s: a default that only the help or only the page has: %s" % (
                page, option, defaults(text, option) ^ defaults(page_text, option)),
                  defaults(text, option) == defaults(page_text, option))
        check("%s: vmm(1) has it" % page, "*%s*(1)" % page in overview)
        check("%s: the build has it" % page, "'%s'" % page in build)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".scd"):
            with open(os.path.join(folder, name), "rb") as page:
                made = subprocess.run(["scdoc"], stdin=page, capture_output=True, check=False)
            check("%s: %s" % (name, made.stderr.decode()), made.returncode == 0 and made.stdout)
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
