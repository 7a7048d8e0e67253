#!/usr/bin/env python3
"""No path of someone's machine and no note to finish later, in any file."""
import os
import re
import subprocess
import sys

PATTERNS = (
    (re.compile(r'(?<![\w.$/}-])/(home|root|work|Users)/\w'),
     'a path of someone\'s machine'),
    # In two halves, so that this file passes its own check.
    (re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X)\b'), 'a note to finish later'),
    (re.compile(r'\b(un' r'implemented|not yet imp' r'lemented)\b', re.I),
     'a note to finish later'),
)
BINARY = re.compile(r'^tests/(fuzz/corpus|golden/data)/')


def main():
    names = subprocess.run(['git', 'ls-files', '-z'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split('\0')
    bad = 0
    for path in names:
        if not os.path.isfile(path) or BINARY.match(path):
            continue
        with open(path, 'rb') as file:
            data = file.read()
        if b'\0' in data:
            continue
        lines = data.decode('utf-8', 'replace').split('\n')
        for number, line in enumerate(lines, 1):
            for pattern, what in PATTERNS:
                if pattern.search(line):
                    bad += 1
                    print('%s:%d: %s: %s' % (path, number, what,
                                             line.strip()[:60]))
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
