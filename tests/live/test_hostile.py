"""A real guest's memory, with bytes changed all over it: whatever the command
finds there, it ends in bounded time and memory, with an answer or an error."""
import os
import random
import resource
import subprocess

from harness import BUILD, check, die_with_parent
from run import case

COMMANDS = (('ps', '--threads', '--args', '--path'), ('modules',),
            ('sockets',), ('files',), ('mounts',), ('dmesg',), ('check',),
            ('syscalls',), ('maps', '--pid', '1'), ('images', '--pid', '1'),
            ('symbols', '--all'), ('types', 'task_struct'))
SECONDS = 20
MEMORY = 2 << 30
# Documented; a signal is none of them.
CODES = range(8)


def change(memory, dice):
    """Change some of the memory; tell what it was before."""
    before = []
    for _ in range(dice.choice((1000, 20000))):
        at = dice.randrange(0, len(memory) - 8) & ~7
        before.append((at, memory[at:at + 8]))
        other = dice.randrange(0, len(memory) - 8) & ~7
        memory[at:at + 8] = dice.choice((
            b'\xff' * 8, bytes(8), dice.randbytes(8),
            memory[other:other + 8], bytes(memory[at:at + 7]) + b'\x7f'))
    return before


def bounded():
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def look(path, command):
    done = subprocess.run(
        [os.path.join(BUILD, 'microvmi'), command[0], 'dump:' + path,
         *command[1:], '--no-profile'], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SECONDS,
        preexec_fn=bounded, check=False)
    check(done.returncode in CODES, command, done.returncode, done.stderr)
    check(done.returncode in (0, 7) or done.stderr, command, 'says nothing')
    return done.returncode == 0


def rounds(guest, count):
    path = guest.path('changed')
    guest.microvmi('dump', '-o', path, '--format', 'raw').ok()
    with open(path, 'rb') as file:
        memory = bytearray(file.read())
    understood = 0
    for seed in range(count):
        before = change(memory, random.Random(seed))
        with open(path, 'wb') as file:
            file.write(memory)
        understood += sum(look(path, command) for command in COMMANDS)
        for at, what in reversed(before):
            memory[at:at + 8] = what
    print('# %d of %d answers in spite of it' % (
        understood, count * len(COMMANDS)))


@case(kind='linux', smp=2)
def changed_memory_is_an_answer_or_an_error(guest):
    rounds(guest, 1)


@case(full=True, kind='linux', kernel='kernel-6.12', smp=2)
def memory_changed_in_forty_ways_is_an_answer_or_an_error(guest):
    rounds(guest, 40)
