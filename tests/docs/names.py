#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Checks that what the documents name exists: files in links and in backticks, identifiers,
options of `vmm run` and of the tools, and the suites of `meson test`.

    names.py ROOT

A name is text in backticks or in a link; the words of an indented or fenced block count
only where they are a command of this tree. An identifier exists if it is a word of a
source file; a name that belongs to somebody else (a Linux symbol, a register of Arm's, a
program of the host's) is in FOREIGN, with its owner.
"""
import os
import re
import subprocess
import sys

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "proto/PROTOCOL.md"]
# Where identifiers may stand: everything but the documents themselves and this test.
NOT_SOURCES = (".md", "tests/docs/")

# Names of others, which no file of this tree has to contain.
FOREIGN = {
    # Linux and its tools
    "CONFIG_PVPANIC_MMIO", "nokaslr",
    # examples of names that a reader gives
    "PATH_1234", "tests/unit/vmm/util/test_hello.c",
}

IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\(\))?$")
PATH = re.compile(r"^[A-Za-z0-9_.][A-Za-z0-9_./*{},-]*$")
OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][A-Za-z0-9-]*)")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Tree:
    def __init__(self, root):
        self.root = root
        try:
            out = subprocess.run(
                ["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                capture_output=True, text=True, check=True).stdout
            self.files = [f for f in out.splitlines() if os.path.isfile(os.path.join(root, f))]
        except (OSError, subprocess.CalledProcessError):  # a tree without git: an archive
            self.files = [os.path.relpath(os.path.join(folder, name), root)
                          for folder, _, names in os.walk(root) for name in names
                          if "/build" not in folder and "/.git" not in folder]
        self.folders = {os.path.dirname(f) for f in self.files}
        for folder in list(self.folders):
            while folder:
                self.folders.add(folder)
                folder = os.path.dirname(folder)
        self.names = {os.path.basename(f) for f in self.files}
        sources = [f for f in self.files if not f.endswith(NOT_SOURCES[0])
                   and not f.startswith(NOT_SOURCES[1])]
        self.text = {f: read(os.path.join(root, f)) for f in sources}
        self.words = set()
        for text in self.text.values():
            self.words.update(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
        self.words.update(os.path.splitext(n)[0] for n in self.names)
        self.suites = set(re.findall(r"suite: '([a-z]+)'", "".join(
            t for f, t in self.text.items() if f.endswith("meson.build"))))

    def documents(self):
        return [f for f in self.files
                if f in DOCUMENTS or (f.startswith("docs/") and f.endswith(".md"))]

    def has_file(self, name, document):
        """A file or folder, from the root, from the document's folder, or by its base name."""
        name = name.rstrip("/")
        if name in FOREIGN or re.search(r"\b[A-Z]{4,}\b", re.sub(r"[A-Z]+\.md$", "", name)):
            return True  # NAME stands for one that the reader chooses
        for expanded in expand(name):
            if not any(self.has_one(n, document) for n in (
                    expanded, os.path.normpath(os.path.join(os.path.dirname(document), expanded)))):
                return False
        return True

    def has_one(self, name, document):
        if "*" in name:
            pattern = re.compile(re.escape(name).replace(r"\*", "[^/]*") + "$")
            return any(pattern.match(f) or pattern.match(os.path.basename(f)) for f in self.files) \
                or any(pattern.match(f) for f in self.folders)
        return name in self.files or name in self.folders or \
            any(f.endswith("/" + name) for f in self.files) or \
            any(f.endswith("/" + name) for f in self.folders)

    def options_of(self, file):
        return set(OPTION.findall(self.text.get(file, "")))

    def run_options(self):
        """What `vmm run` knows: the rows of its table of options."""
        options = set()
        for file, text in self.text.items():
            if file.startswith("vmm/cli/"):
                options.update("--" + n for n in re.findall(r'\.name = "([a-z][a-z0-9-]*)"', text))
                options.update("--" + n for n in re.findall(r'DEVICE\("([a-z][a-z0-9-]*)"', text))
                options.update("-" + c for c in re.findall(r"\.letter = '(.)'", text))
        return options


def expand(name):
    """`disk.{c,h}` is two files."""
    match = re.search(r"\{([^{}]*)\}", name)
    if not match:
        return [name]
    return [n for part in match.group(1).split(",")
            for n in expand(name[:match.start()] + part + name[match.end():])]


def spans(text):
    """(line number, what stands in backticks), outside of blocks."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or line.startswith("    "):
            continue
        for span in re.findall(r"`([^`]+)`", line):
            yield number, span


def commands(text):
    """(line number, line) of each line of a block that calls something of this tree."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield number, line.strip()


def links(text):
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
                yield number, target.split("#")[0]


class Checker:
    def __init__(self, tree):
        self.tree = tree
        self.errors = []
        self.run_options = tree.run_options()

    def error(self, document, number, text):
        self.errors.append(f"{document}:{number}: {text}")

    def check(self, document):
        text = read(os.path.join(self.tree.root, document))
        for number, target in links(text):
            if not self.tree.has_file(target, document):
                self.error(document, number, f"a link to '{target}', which is not there")
        for number, span in spans(text):
            self.check_span(document, number, span)
        for number, line in commands(text):
            self.check_command(document, number, line)

    def check_span(self, document, number, span):
        if re.match(r"^(\S*/)?vmm run |^-", span) or "meson test" in span or \
                re.match(r"^tools/\S+ ", span):
            self.check_command(document, number, span)
        elif re.match(r"^(struct|enum|union) \w+$", span):
            self.check_word(document, number, span.split()[1])
        elif IDENTIFIER.match(span):
            self.check_word(document, number, span.rstrip("()"))
        elif PATH.match(span) and self.looks_like_path(span) and \
                not self.tree.has_file(span, document):
            self.error(document, number, f"'{span}' is no file or folder")

    def looks_like_path(self, span):
        top = span.split("/")[0]
        if "/" in span:
            return top in self.tree.folders
        return bool(re.search(r"\.(c|h|S|py|sh|md|lds|pml|build|\{c,h\}|\*)$", span))

    def check_word(self, document, number, word):
        """A word in lower case with an underscore, or one followed by (), is ours."""
        if "_" not in word and len(word) < 7 or word in FOREIGN or word in self.tree.words:
            return
        if any(word == f"{d}" for d in self.tree.folders):
            return
        self.error(document, number, f"'{word}' is no word of the sources")

    def check_command(self, document, number, line):
        words = line.split()
        if not words:
            return
        for match in re.finditer(r"--suite[ =]([a-z]+)", line):
            if match.group(1) not in self.tree.suites:
                self.error(document, number, f"there is no suite '{match.group(1)}'")
        match = re.search(r"(?:^|[\s/])vmm run\b(.*)", line)
        options = match.group(1) if match else line if line.startswith("-") else None
        if options is not None:
            options = re.sub(r"'[^']*'|\"[^\"]*\"", "", options).split("#")[0]
            for option in OPTION.findall(options):
                if option not in self.run_options and not self.somewhere(option):
                    self.error(document, number, f"'vmm run' has no option '{option}'")
        for tool in [] if line.startswith("ninja") else re.findall(r"(?:^|\s)((?:tools|tests|\.ci)/[A-Za-z0-9_./-]+)", line):
            if not self.tree.has_file(tool, document):
                self.error(document, number, f"'{tool}' is no file")
        match = re.match(r"(tools/[A-Za-z-]+)\b(.*)", line)
        if match and match.group(1) in self.tree.files:
            own = match.group(2).split(" -- ")[0].split("#")[0]
            own = re.sub(r"'[^']*'|\"[^\"]*\"", "", own)
            for option in OPTION.findall(own):
                if option not in self.tree.options_of(match.group(1)) and \
                        option not in self.run_options:
                    self.error(document, number, f"'{match.group(1)}' has no option '{option}'")

    def somewhere(self, option):
        """An option that stands alone in a document may be a tool's."""
        return any(option in self.tree.options_of(f) for f in self.tree.files
                   if f.startswith(("tools/", "tests/", "vmm/", ".ci/")))


def check_suites(checker):
    """Each suite of `meson test` is in the README's list and in the architecture's table."""
    for document, form in (("README.md", r"one suite:.*\b{}\b"),
                           ("docs/architecture.md", r"\| `{}` +\|")):
        text = read(os.path.join(checker.tree.root, document))
        for suite in sorted(checker.tree.suites):
            if not re.search(form.format(suite), text):
                checker.error(document, 1, f"the suite '{suite}' is not named")


def main():
    tree = Tree(os.path.realpath(sys.argv[1]))
    checker = Checker(tree)
    documents = tree.documents()
    for document in documents:
        checker.check(document)
    check_suites(checker)
    for error in checker.errors:
        print(error)
    print(f"{len(documents)} documents, {len(checker.errors)} names that do not exist")
    return 1 if checker.errors or len(documents) < 4 else 0


if __name__ == "__main__":
    sys.exit(main())
