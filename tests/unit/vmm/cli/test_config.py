#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Checks that the schema of configuration files, what --print-config prints and what --config takes
agree.

    test_config.py VMM
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema

GOOD = [
    {"kernel": "K"},
    {"kernel": "K", "cpus": 4, "pcpus": 2, "memory": "1G", "no-reboot": True, "timestamps": False},
    {"kernel": "K", "memory": 67108864, "grace": 0},
    {"kernel": "K", "initrd": "a", "disk": ["x,ro", "y"], "rng": True, "balloon": [True, "size=1M"]},
]
BAD = [
    {"kernel": "K", "nosuch": 1},
    {"kernel": "K", "config": "x"},
    {"kernel": "K", "cpus": 0},
    {"kernel": "K", "cpus": 33},
    {"kernel": "K", "cpus": [1]},
    {"kernel": True},
    {"kernel": "K", "no-reboot": "yes"},
    {"kernel": "K", "disk": True},
    {"kernel": "K", "disk": [1.5]},
    [],
]
ON_COMMAND_LINE_ONLY = {"config", "print-config", "print-schema", "help"}
failures = []


def check(what, holds):
    if not holds:
        failures.append(what)


def vmm(*arguments):
    run = subprocess.run([sys.argv[1], "run", *arguments], capture_output=True, text=True,
                         check=False)
    return run.returncode, run.stdout, run.stderr


def read(config):
    """Is it accepted? And what --print-config makes of it."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        status, out, said = vmm("--config", file.name, "--print-config")
        check("%s: the message names the file: %s" % (config, said),
              status == 0 or os.path.basename(file.name) in said)
    return status == 0, json.loads(out) if status == 0 else None


def main():
    os.environ["RINGVISOR_RUN_DIR"] = "/tmp"
    status, out, _ = vmm("--print-schema")
    check("--print-schema succeeds", status == 0)
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    options = set(re.findall(r"^ +(?:-., )?--([a-z-]+)", vmm("--help")[1], re.M))
    check("the schema has each option: %s" % (options ^ set(schema["properties"])),
          options - ON_COMMAND_LINE_ONLY == set(schema["properties"]))
    for config in GOOD:
        check("the schema takes %s" % config, validator.is_valid(config))
        accepted, printed = read(config)
        check("--config takes %s" % config, accepted)
        if accepted:
            check("the schema takes what is printed: %s" % printed, validator.is_valid(printed))
            check("what is printed reads as the same: %s" % printed, read(printed)[1] == printed)
    for config in BAD:
        check("the schema refuses %s" % config, not validator.is_valid(config))
        check("--config refuses %s" % config, not read(config)[0])
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
