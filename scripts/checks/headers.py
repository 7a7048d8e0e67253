#!/usr/bin/env python3
"""Each header compiles alone; the public ones as C11 and as C++14."""
import os
import subprocess
import sys

STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fsyntax-only',
          '-Iinclude']
INTERNAL = ['-Isrc', '-I.', '-Iagents/common', '-Itests', '-D_GNU_SOURCE',
            '-D_FILE_OFFSET_BITS=64']


def compile_alone(name, command):
    """Compile a file that has nothing but this header, twice."""
    text = '#include "%s"\n#include "%s"\nextern int header_is_alone;\n' % (
        name, name)
    done = subprocess.run(command + ['-'], input=text, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print('%s: does not compile alone: %s' % (name, ' '.join(command)))
        print(done.stdout.rstrip())
    return done.returncode == 0


def public_uses_no_system(path):
    """Public headers include nothing from the OS, only standard C."""
    allowed = ('stdint.h', 'stddef.h', 'stdbool.h', 'stdarg.h', 'inttypes.h',
               'limits.h', 'string.h', 'assert.h')
    good = True
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            words = line.replace('#', '# ').split()
            if words[:2] != ['#', 'include']:
                continue
            name = words[2].strip('<>"')
            if name not in allowed and not name.startswith('microvmi/'):
                print('%s:%d: public headers do not include <%s>' % (
                    path, number, name))
                good = False
    return good


def main():
    names = subprocess.run(['git', 'ls-files', '*.h'], text=True, check=True,
                           stdout=subprocess.PIPE).stdout.split()
    good = True
    for path in names:
        if not os.path.isfile(path):
            continue
        if path.startswith('include/'):
            name = path[len('include/'):]
            good &= public_uses_no_system(path)
            good &= compile_alone(name, ['gcc', '-xc', '-std=c11'] + STRICT)
            good &= compile_alone(name,
                                  ['g++', '-xc++', '-std=c++14'] + STRICT)
        elif not path.startswith('subprojects/'):
            own = ['-iquote', os.path.dirname(path)]
            good &= compile_alone(path, ['gcc', '-xc', '-std=gnu17'] + STRICT +
                                  INTERNAL + own)
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main()
