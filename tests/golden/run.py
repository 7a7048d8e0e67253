#!/usr/bin/env python3
"""Compare the command's output, byte for byte, with what is expected.

  tests/golden/run.py --build build [--update] [CASE...]

A case is a file cases/NAME.expect: lines that begin with "$ " are commands,
run by sh in a scratch directory that holds the inputs which inputs.py makes;
golden_guest prints a small Linux guest, $MANUAL is the manual page's file. What follows a command is its output: there
"! " marks a line on stderr, and "= N" the exit code where it is not 0.
--update writes what came as expected. Prints TAP.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import inputs

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, folder, environment):
    """Return a command's output in the form of a case file."""
    done = subprocess.run(['sh', '-c', command], cwd=folder, timeout=60,
                          env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    text = done.stdout.decode('utf-8', 'backslashreplace')
    if text and not text.endswith('\n'):
        text += '\n% no newline\n'
    for line in done.stderr.decode('utf-8', 'backslashreplace').splitlines():
        text += '! %s\n' % line
    if done.returncode:
        text += '= %d\n' % done.returncode
    return text


def actual(expected, folder, environment):
    """Return the case file as it would be if all that comes were right."""
    text = ''
    for line in expected.splitlines():
        if line.startswith('#'):
            text += line + '\n'
        elif line.startswith('$ '):
            text += line + '\n' + run(line[2:], folder, environment)
    return text


def difference(expected, got):
    expected, got = expected.splitlines(), got.splitlines()
    for number in range(max(len(expected), len(got))):
        one = expected[number] if number < len(expected) else '(the end)'
        two = got[number] if number < len(got) else '(the end)'
        if one != two:
            return '# line %d\n# expected: %s\n# but came: %s' % (
                number + 1, one, two)
    return '# they differ in line ends'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--build', required=True)
    parser.add_argument('--update', action='store_true')
    parser.add_argument('cases', nargs='*')
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    folder = os.path.join(HERE, 'cases')
    names = options.cases or sorted(
        name[:-len('.expect')] for name in os.listdir(folder)
        if name.endswith('.expect'))
    environment = {
        'PATH': os.pathsep.join([
            build, os.path.join(build, 'examples'),
            os.path.join(build, 'tests', 'golden'), os.environ['PATH']]),
        'MANUAL': os.path.join(HERE, '..', '..', 'docs', 'microvmi.1'),
        'LC_ALL': 'C', 'HOME': '/nonexistent',
        'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', ''),
    }
    failed = 0
    print('1..%d' % len(names))
    for number, name in enumerate(names, 1):
        path = os.path.join(folder, name + '.expect')
        with open(path, encoding='utf-8') as file:
            expected = file.read()
        with tempfile.TemporaryDirectory(prefix='microvmi-golden.') as scratch:
            inputs.make(scratch)
            got = actual(expected, scratch, environment)
        if options.update and got != expected:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(got)
        good = options.update or got == expected
        failed += not good
        print('%s %d - %s' % ('ok' if good else 'not ok', number, name))
        if not good:
            print(difference(expected, got))
    sys.exit(failed != 0)


if __name__ == '__main__':
    main()
