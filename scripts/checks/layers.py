#!/usr/bin/env python3
"""Each layer includes only what lies under it.

src/<layer>/ may include its own files, the layers named below and
<microvmi/...>.  Programs outside src/ (tools, examples, bench) may include
public headers and their own folder's files only.
"""
import os
import re
import subprocess
import sys

UNDER = {
    'base': (),
    'arch': ('base',),
    'drivers': ('arch', 'base'),
    'core': ('drivers', 'arch', 'base'),
    'xlat': ('core', 'arch', 'base'),
    'symbols': ('core', 'arch', 'base'),
    'event': ('symbols', 'xlat', 'core', 'arch', 'base'),
    'bp': ('event', 'symbols', 'xlat', 'core', 'arch', 'base'),
    'os': ('bp', 'event', 'symbols', 'xlat', 'core', 'arch', 'base'),
}
# The one way up from core into drivers: the list of what there is.
CORE_MAY = re.compile(r'drivers/(registry|list)\.h$')
OUTSIDE = ('tools', 'examples', 'bench')
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def layer_of(path):
    parts = path.split('/')
    return parts[1] if parts[0] == 'src' and len(parts) > 2 else None


def find(path, name):
    """Return the file that a quoted include names, from the tree's root."""
    for base in (os.path.dirname(path), 'src', 'include', 'agents/common',
                 'tests', '.'):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(candidate):
            return candidate
    return None


def fault(path, quote, name):
    """Say what is wrong with an include, or None."""
    found = find(path, name)
    if found is None:
        return None if quote == '<' else 'is not in the tree'
    layer, target = layer_of(path), layer_of(found)
    if found.startswith('include/'):
        return None
    if layer is None:
        own = path.split('/')[0]
        if own in OUTSIDE and not found.startswith(own + '/'):
            return 'is not public: %s/ uses <microvmi/...> only' % own
        return None
    if target is None:
        return 'is outside src/'
    if target == layer:
        return None
    if layer not in UNDER:
        return 'layer %s is unknown to this check' % layer
    if target not in UNDER[layer]:
        return 'does not lie under %s' % layer
    if layer == 'core' and target == 'drivers' and \
            not CORE_MAY.search(found):
        return 'core knows of drivers/ only the registry'
    return None


def main():
    names = subprocess.run(['git', 'ls-files', '*.c', '*.h'], text=True,
                           check=True, stdout=subprocess.PIPE).stdout.split()
    bad = 0
    for path in names:
        if not os.path.isfile(path):
            continue
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for match in INCLUDE.finditer(text):
            why = fault(path, *match.groups())
            if why:
                bad += 1
                line = text.count('\n', 0, match.start(1)) + 1
                print('%s:%d: "%s" %s' % (path, line, match.group(2), why))
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
