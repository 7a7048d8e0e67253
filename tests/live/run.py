#!/usr/bin/env python3
"""Run the live tests and print TAP; ./dev live calls this.

A case is a function with @case in a file test_<topic>.py.  What @case is
given describes the guest that the function gets; cases that describe the
same guest share it, one after the other, and each leaves the VM running.
"""
import argparse
import collections
import glob
import importlib
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import harness  # noqa: E402

VERSIONS = ('7.2', '10.0', '11.1')
NEWEST = VERSIONS[-1]
CASES = []


class Case:
    """One function and the guest it wants."""

    def __init__(self, function, how, guest):
        self.function, self.guest = function, guest
        self.full, self.newest, self.fresh, self.looks, self.version = how
        self.topic = function.__module__.replace('test_', '', 1)
        self.name = function.__name__

    def __str__(self):
        if 'kernel' not in self.guest:
            return self.name
        words = [self.guest[key] for key in ('kernel', 'cpu', 'append',
                                             'memory', 'machine', 'ram')
                 if key in self.guest]
        if self.guest.get('qmp') is False:
            words.append('no-qmp')
        return ' '.join([self.name] + words)

    def key(self, version):
        fresh = self.name if self.fresh else ''
        return (version, fresh, tuple(sorted(self.guest.items())))


def case(full=False, newest=False, fresh=False, looks=False, version=None,
         **guest):
    """Declare a live test.

    full    only in ./dev test --full: it takes long, or much memory
    newest  the default run has it against the newest QEMU, too
    fresh   it may harm the guest: give it one of its own
    looks   it only looks: the guest can be used on when it fails
    version the QEMU that it runs against, in --full too, for a case that is
            about the guest; --qemu overrides it
    """
    def declare(function):
        CASES.append(Case(function, (full, newest, fresh, looks, version),
                          guest))
        return function
    return declare


def options_read():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('topics', nargs='*', metavar='TOPIC')
    parser.add_argument('--build', default=harness.BUILD)
    parser.add_argument('--qemu', choices=VERSIONS, metavar='VERSION',
                        help=', '.join(VERSIONS))
    parser.add_argument('--only', metavar='WORDS', default='',
                        help='only cases with each of these words, in '
                        'name or guest; those of --full, too')
    parser.add_argument('--full', action='store_true')
    parser.add_argument('--list', action='store_true')
    return parser.parse_args()


def versions_of(one, options):
    if options.qemu:
        return (options.qemu,)
    if one.version:
        return (one.version,)
    if options.full:
        return VERSIONS
    return (VERSIONS[0], NEWEST) if one.newest else VERSIONS[:1]


class Tap:
    """Prints one line a case, and why."""

    def __init__(self):
        self.number = self.failed = 0

    def line(self, good, name, directive='', said=''):
        self.number += 1
        self.failed += not good
        print('%s %d - %s%s' % ('ok' if good else 'not ok', self.number, name,
                                directive and ' # SKIP ' + directive))
        for one in said.rstrip().split('\n') if said else ():
            print('#   ' + one)
        sys.stdout.flush()


def still_well(guest):
    """Tell whether a shared guest is as the next case expects it."""
    if guest.process.poll() is not None:
        return 'the case ended QEMU'
    if guest.truth and not guest.truth.running():
        return 'the case left the VM stopped'
    return None


def run_one(tap, one, guest, label):
    """Run a case; tell whether its guest can be used again."""
    begin = time.monotonic()
    good, said, skip = True, '', ''
    try:
        one.function(guest)
        if not one.fresh:
            said = still_well(guest) or ''
            good = not said
    except harness.Skip as reason:
        skip = str(reason).split('\n', maxsplit=1)[0]
    except Exception:  # pylint: disable=broad-except
        good, said = False, traceback.format_exc()
    usable = good
    if one.looks and not good:
        usable = not still_well(guest)
    tap.line(good, label, skip, said)
    print('# %.1f s' % (time.monotonic() - begin), flush=True)
    return usable


def run_group(tap, version, cases):
    """Run the cases that share a guest."""
    kernel = cases[0].guest.get('kernel')

    def label(one):
        return '%s: %s (QEMU %s)' % (one.topic, one, version)

    def skip_all(reason):
        # What was changed on its way here is no reason to skip a test.
        good = 'SHA-256' not in reason
        for one in waiting:
            tap.line(good, label(one), reason if good else '',
                     '' if good else reason)

    waiting = list(cases)
    while waiting:
        what = 'QEMU ' + version
        try:
            harness.obtain_qemu(version)
            if kernel:
                what = kernel
                harness.obtain_kernel(kernel)
        except harness.Failed as error:
            skip_all('%s cannot be had: %s' % (
                what, str(error).strip().split('\n')[-1]))
            return
        if cases[0].guest.get('accel') == 'kvm':
            reason = harness.kvm_reason(version)
            if reason:
                skip_all(reason)
                return
        try:
            with harness.QemuGuest(version=version,
                                   **cases[0].guest) as guest:
                print('# %s: up in %.1f s' % (guest, guest.boot_seconds))
                while waiting:
                    one = waiting.pop(0)
                    if not run_one(tap, one, guest, label(one)):
                        break
        except harness.Failed as error:
            # No guest to be had: each case that wanted it has failed.
            for one in waiting:
                tap.line(False, label(one), said=str(error))
            return


def main():
    options = options_read()
    harness.BUILD = os.path.abspath(options.build)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # So that `from run import case` is this module, not a second copy.
    sys.modules['run'] = sys.modules['__main__']
    here = os.path.dirname(os.path.abspath(__file__))
    for path in sorted(glob.glob(os.path.join(here, 'test_*.py'))):
        importlib.import_module(os.path.basename(path)[:-3])
    topics = {one.topic for one in CASES}
    for topic in options.topics:
        if topic not in topics:
            sys.exit('live: no topic %s; there are: %s' % (
                topic, ' '.join(sorted(topics))))
    groups = collections.OrderedDict()
    for one in CASES:
        if options.topics and one.topic not in options.topics:
            continue
        if options.list:
            print('%-12s %s%s' % (one.topic, one,
                                  ' (--full)' if one.full else ''))
            continue
        if not all(word in one.name or word in str(one).split()
                   for word in options.only.split()):
            continue
        if one.full and not options.full and not options.only:
            continue
        for version in versions_of(one, options):
            groups.setdefault(one.key(version), (version, []))[1].append(one)
    if options.list:
        return
    if not os.access(os.path.join(harness.BUILD, 'microvmi'), os.X_OK):
        print('Bail out! no %s/microvmi: run ./dev build' % options.build)
        sys.exit(1)
    tap = Tap()
    for version, cases in groups.values():
        run_group(tap, version, cases)
    print('1..%d' % tap.number)
    sys.exit(1 if tap.failed else 0)


if __name__ == '__main__':
    main()
