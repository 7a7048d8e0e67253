#!/usr/bin/env python3
"""The library exports what abi/microvmi.symbols lists, and nothing else.

  scripts/checks/abi.py build/libmicrovmi.so
  scripts/checks/abi.py --write build/libmicrovmi.so    renew the list
"""
import subprocess
import sys

LIST = 'abi/microvmi.symbols'


def main():
    text = subprocess.run(['nm', '-D', '--defined-only', '--format=posix',
                           sys.argv[-1]], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    # A symbol's version follows an @; absolute ones are version names.
    exported = {line.split()[0].split('@')[0] for line in text.splitlines()
                if line.split()[1] != 'A'}
    if '--write' in sys.argv:
        with open(LIST, 'w', encoding='utf-8') as file:
            file.write('# What libmicrovmi.so exports; renew with '
                       'scripts/checks/abi.py --write.\n')
            file.writelines(name + '\n' for name in sorted(exported))
        return
    with open(LIST, encoding='utf-8') as file:
        listed = {line.strip() for line in file
                  if line.strip() and not line.startswith('#')}
    good = True
    for name in sorted(exported - listed):
        print('%s: exported, but not in %s' % (name, LIST))
        good = False
    for name in sorted(listed - exported):
        print('%s: in %s, but not exported' % (name, LIST))
        good = False
    for name in sorted(exported):
        if not name.startswith('mvmi_'):
            print('%s: exported without the prefix mvmi_' % name)
            good = False
    if not exported:
        print('%s exports nothing' % sys.argv[-1])
        good = False
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main()
