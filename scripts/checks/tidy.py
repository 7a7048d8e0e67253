#!/usr/bin/env python3
"""Run clang-tidy over each source of the build, a file at a time on each CPU.

  scripts/checks/tidy.py build

A file that was found clean is not looked at again until its preprocessed
text, the configuration or clang-tidy changes: stamps are in BUILD/tidy/.
"""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys

EXTRA = ['--extra-arg=-Wno-unknown-warning-option']


def text_of(command, **options):
    return subprocess.run(command, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, **options).stdout


def stamp_of(build, entry, salt):
    """Name the stamp of a source in its present state."""
    args = shlex.split(entry['command'])
    args = ['clang', '-E', '-Wno-everything'] + args[1:]
    for option in ('-o', '-MF', '-MQ'):
        while option in args:
            at = args.index(option)
            del args[at:at + 2]
    args = [arg for arg in args if arg not in ('-c', '-MD')]
    data = text_of(args, cwd=entry['directory'])
    digest = hashlib.sha256(salt + data).hexdigest()
    return os.path.join(build, 'tidy', digest)


def check(build, entry, salt):
    """Return what clang-tidy says of a source, '' when it is clean."""
    stamp = stamp_of(build, entry, salt)
    if os.path.exists(stamp):
        return ''
    path = os.path.normpath(os.path.join(entry['directory'], entry['file']))
    done = subprocess.run(
        ['clang-tidy', '--quiet', '-p', build] + EXTRA + [path], text=True,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode == 0:
        with open(stamp, 'w', encoding='utf-8'):
            return ''
    return done.stdout or done.stderr or '%s: clang-tidy failed\n' % path


def main():
    build = sys.argv[1]
    os.makedirs(os.path.join(build, 'tidy'), exist_ok=True)
    with open(os.path.join(build, 'compile_commands.json'),
              encoding='utf-8') as file:
        entries = {entry['file']: entry for entry in json.load(file)
                   if entry['file'].endswith('.c')}
    with open('.clang-tidy', 'rb') as file:
        salt = file.read() + text_of(['clang-tidy', '--version'])
    good = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for said in pool.map(lambda entry: check(build, entry, salt),
                             entries.values()):
            if said:
                print(said.rstrip())
                good = False
    if not entries:
        print('compile_commands.json names no source')
        good = False
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main()
