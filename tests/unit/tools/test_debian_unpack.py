#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Checks that dpkg takes what tools/lib/debian_unpack.py unpacks for packages that it has unpacked
itself. The packages are made here.

    test_debian_unpack.py SOURCE_ROOT
"""
import os
import subprocess
import sys
import tempfile

failures = []


def check(what, holds):
    print(f"{'ok' if holds else 'FAILED'}: {what}")
    if not holds:
        failures.append(what)


def package(folder, name, more="", files=(), conffiles="", links=()):
    """A package for arm64 without scripts."""
    tree = os.path.join(folder, "tree", name)
    os.makedirs(os.path.join(tree, "DEBIAN"))
    for path, text in [*files, ("DEBIAN/control", f"Package: {name}\nVersion: 1:2-3\nArchitecture: arm64\n{more}"
                                "Maintainer: none <none@example.org>\nDescription: short\n long\n .\n longer\n")]:
        os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
        with open(os.path.join(tree, path), "w", encoding="ascii") as file:
            file.write(text)
    for path, target in links:
        os.symlink(target, os.path.join(tree, path))
    if conffiles:
        with open(os.path.join(tree, "DEBIAN/conffiles"), "w", encoding="ascii") as file:
            file.write(conffiles)
    os.makedirs(os.path.join(folder, "debs"), exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, os.path.join(folder, "debs", f"{name}.deb")],
                   check=True, stdout=subprocess.DEVNULL)


def main():
    source = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        package(folder, "one", files=[("etc/one.conf", "a=1\n"), ("lib/one/data", "old place\n")],
                conffiles="/etc/one.conf\n")
        package(folder, "two", "Depends: one\nMulti-Arch: same\n", files=[("usr/lib/two", "2\n")],
                links=[("usr/lib/two.link", "two")])
        os.mkdir(root)
        tool = [sys.executable, os.path.join(source, "tools/lib/debian_unpack.py")]
        subprocess.run([*tool, os.path.join(folder, "debs"), root], check=True)

        def dpkg(*words):
            return subprocess.run(["dpkg", f"--root={root}", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  check=False, text=True, env={**os.environ, "LC_ALL": "C", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})

        def query(form):
            return subprocess.run(["dpkg-query", f"--root={root}", "-W", "-f", form + "\n"], stdout=subprocess.PIPE,
                                  check=True, text=True).stdout.split("\n")[:-1]

        check("packages_are_unpacked", query("${binary:Package} ${Version} ${db:Status-Status}")
              == ["one:arm64 1:2-3 unpacked", "two:arm64 1:2-3 unpacked"])
        check("folder_in_the_root_is_the_one_in_usr", os.path.islink(os.path.join(root, "lib"))
              and os.path.exists(os.path.join(root, "usr/lib/one/data")))
        check("dpkg_knows_whose_a_file_is", "two:arm64: /usr/lib/two.link" in dpkg("-S", "/usr/lib/two.link").stdout)
        check("dpkg_has_the_list_of_files", dpkg("-L", "one:arm64").stdout.split()
              == ["/.", "/etc", "/etc/one.conf", "/lib", "/lib/one", "/lib/one/data"])
        done = dpkg("--force-not-root", "--force-bad-path", "--force-architecture", "--configure", "-a")
        check("dpkg_configures_them", done.returncode == 0 and query("${db:Status-Status}") == ["installed"] * 2)
        check("files_are_as_the_packages_say", dpkg("--verify").stdout == "")
        with open(os.path.join(root, "etc/one.conf"), "a", encoding="ascii") as file:
            file.write("b=2\n")
        check("change_of_a_configuration_is_seen", "/etc/one.conf" in dpkg("--verify").stdout)
        if failures:
            print(done.stdout)
    return bool(failures)


sys.exit(main())
