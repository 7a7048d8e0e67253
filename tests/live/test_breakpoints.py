"""Breakpoints in a live guest, through examples/break.c.

The guest is tests/guests/counting.S, which calls a function of its own four
times a round and counts that.
"""
import os
import subprocess
import time

from harness import BUILD, check, check_equal
from run import case
from test_events import GUEST, Counting, wait_until

TARGET = 0x120000
# Up to where the rounds end; behind that the guest has data, too.
TEXT, TEXT_LEN = 0x100000, 0x200
CALLS = 4


def started(guest, count):
    """Run the example; return it once its breakpoint is armed."""
    process = subprocess.Popen(
        [os.path.join(BUILD, 'examples', 'example-break'), guest.target,
         hex(TARGET), str(count)], stdout=subprocess.PIPE)
    check_equal(process.stdout.readline(), b'armed\n', 'first line')
    return process


def code_of(counting):
    return counting.read(TEXT, TEXT_LEN // 8) + counting.read(TARGET)


@case(**GUEST)
def calls_and_returns_equal_those_of_the_guest(guest):
    counting = Counting(guest)
    check(counting.is_closed(), 'the gate is open')
    code = code_of(counting)
    before = counting.counts()['break']
    rounds = 250
    process = started(guest, rounds * CALLS)
    try:
        counting.open_gate(rounds)
        out = process.communicate(timeout=60)[0].decode()
    finally:
        process.kill()
        process.wait()
    check_equal(process.returncode, 0, 'exit code')
    wait_until(counting.is_closed, 'the gate')
    own = counting.counts()['break'] - before
    words = [line.split()[0] for line in out.splitlines()]
    check_equal(own, rounds * CALLS, 'calls')
    check_equal(words, ['call', 'return'] * own, 'what was told')
    check(code_of(counting) == code, 'the code of the guest is another')
    print('# QEMU %s: %d calls and as many returns' % (guest.version, own))


@case(**GUEST)
def guest_goes_on_when_who_set_it_is_killed(guest):
    counting = Counting(guest)
    code = code_of(counting)
    for _ in range(10):
        process = started(guest, 1 << 40)
        counting.open_gate(1 << 40)
        for _ in range(20):
            check(process.stdout.readline(), 'nothing was told')
        process.kill()
        process.communicate()
        begin = time.monotonic()
        before = counting.rounds()
        wait_until(lambda: counting.rounds() > before + 100,
                   'the guest to go on', 5)
        check(time.monotonic() - begin < 1, 'it stood still')
        check(code_of(counting) == code, 'the code of the guest is another')
        counting.open_gate(1)
        wait_until(counting.is_closed, 'the gate')
