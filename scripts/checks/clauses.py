#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that docs/driver-contract.md names every case of the conformance
suite, under its clause, and no other."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]


def cases_in_code():
    found = set()
    for path in (root / "tests/conform").glob("*.c"):
        found |= set(re.findall(r'CASE\("([^"]+)",\s*(\w+)\)', path.read_text()))
    return found


def cases_in_docs():
    text = (root / "docs/driver-contract.md").read_text()
    found = set()
    for clause, cases in re.findall(r"^\| ([^|]+) \| (`\w+`[^|]*) \|$", text, re.M):
        found |= {(clause, name) for name in re.findall(r"`(\w+)`", cases)}
    return found


def main():
    code, docs = cases_in_code(), cases_in_docs()
    for clause, name in sorted(code - docs):
        print(f"docs/driver-contract.md: {clause}: {name} is missing")
    for clause, name in sorted(docs - code):
        print(f"docs/driver-contract.md: {clause}: there is no case {name}")
    return code != docs


if __name__ == "__main__":
    sys.exit(main())
