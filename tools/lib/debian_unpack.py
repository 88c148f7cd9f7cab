#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Usage: debian_unpack.py PACKAGES TREE

Unpacks the Debian packages of the folder PACKAGES into TREE as dpkg does before it configures
them: dpkg in the guest knows them as unpacked, and `dpkg --configure` there runs their scripts.
No script of theirs runs here, so the packages may be for another processor. Run it as root or
under fakeroot: files belong to whom the packages say.
"""

import hashlib
import os
import subprocess
import sys

LINKS = ("bin", "sbin", "lib")  # into usr, as every system of today has them
FOLDERS = ("usr/bin", "usr/sbin", "usr/lib", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers")


def fields(control):
    """A control file's fields by name; a value has its continuation lines."""
    found, name = {}, None
    for line in control.splitlines():
        if line[:1] in (" ", "\t"):
            found[name] += "\n" + line
        elif line:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return found


def info_name(control):
    """What the files of dpkg's database are called for a package."""
    package = control["Package"]
    return f"{package}:{control['Architecture']}" if control.get("Multi-Arch") == "same" else package


def file_list(tar):
    """dpkg's list of a package's paths, of the names that tar prints."""
    names = (line.rstrip("/").removeprefix(".") for line in tar.splitlines())
    return "".join(f"{name or '/.'}\n" for name in names)


def status(control, conffiles):
    """The package's entry in dpkg's status file. conffiles: [(path, MD5 sum)]."""
    lines = [f"Package: {control['Package']}", "Status: install ok unpacked"]
    lines += [f"{name}: {value}" for name, value in control.items() if name != "Package"]
    if conffiles:
        lines.append("Conffiles:")
        lines += [f" {path} {checksum}" for path, checksum in conffiles]
    return "\n".join(lines) + "\n\n"


def conffiles_of(tree, text):
    """(path, MD5 sum) of the files that the package calls its configuration."""
    found = []
    for line in text.splitlines():
        path = line.strip()
        if path.startswith("/"):
            with open(tree + path, "rb") as file:
                found.append((path, hashlib.md5(file.read()).hexdigest()))
    return found


def unpack(deb, tree):
    """Unpacks one package. Returns its entry."""
    info = os.path.join(tree, "var/lib/dpkg/info")
    part = os.path.join(tree, "control")
    subprocess.run(["dpkg-deb", "-e", deb, part], check=True)
    with open(os.path.join(part, "control"), encoding="utf-8") as file:
        control = fields(file.read())
    contents = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    listed = subprocess.run(["tar", "-x", "-v", "-p", "--numeric-owner", "--keep-directory-symlink", "-C", tree],
                            stdin=contents.stdout, stdout=subprocess.PIPE, check=True, text=True).stdout
    if contents.wait():
        raise OSError(f"{deb} cannot be read")
    name, conffiles = info_name(control), []
    for kind in sorted(os.listdir(part)):
        if kind == "conffiles":
            with open(os.path.join(part, kind), encoding="utf-8") as file:
                conffiles = conffiles_of(tree, file.read())
        if kind != "control":
            os.rename(os.path.join(part, kind), os.path.join(info, f"{name}.{kind}"))
    with open(os.path.join(info, f"{name}.list"), "w", encoding="utf-8") as file:
        file.write(file_list(listed))
    os.remove(os.path.join(part, "control"))
    os.rmdir(part)
    return status(control, conffiles)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    packages, tree = sys.argv[1:]
    for folder in FOLDERS:
        os.makedirs(os.path.join(tree, folder), exist_ok=True)
    for link in LINKS:
        os.symlink(f"usr/{link}", os.path.join(tree, link))
    with open(os.path.join(tree, "var/lib/dpkg/status"), "w", encoding="utf-8") as out:
        for deb in sorted(os.listdir(packages)):
            if deb.endswith(".deb"):
                out.write(unpack(os.path.join(packages, deb), tree))
    for empty in ("available", "diversions", "statoverride"):
        open(os.path.join(tree, "var/lib/dpkg", empty), "a", encoding="utf-8").close()
    with open(os.path.join(tree, "var/lib/dpkg/info/format"), "w", encoding="ascii") as file:
        file.write("1\n")


if __name__ == "__main__":
    main()
