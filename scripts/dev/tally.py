#!/usr/bin/env python3
"""Run steps of the tests, count their cases and close with one line.

  tally.py --results FILE meson BUILD TAG SUITE...   meson's suites, one each
  tally.py --results FILE tap SUITE -- COMMAND...    a command that prints TAP
  tally.py --results FILE exit SUITE -- COMMAND...   a command's exit code
  tally.py --results FILE summary                    table and closing line

A case is one TAP line.  A program that dies, prints fewer lines than it
planned, or exits non-zero though all its lines were ok, adds a failed case;
so does a suite in which nothing ran.
"""
import json
import os
import re
import subprocess
import sys
import time

TAP = re.compile(r'(not )?ok\b\s*(\d+)?\s*-?\s*([^#]*)(?:#\s*(.*))?$')
OPTIONAL_SUITES = ('quick',)


class Count:
    """What came of one program's cases."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.planned = None
        self.notes = []

    def line(self, text):
        """Count one line of TAP."""
        if text.startswith('Bail out!'):
            self.fail(text.strip())
            return
        plan = re.match(r'1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$', text, re.I)
        if plan:
            self.planned = int(plan.group(1))
            if self.planned == 0:
                self.skip('all', plan.group(2))
                self.planned = None
            return
        case = TAP.match(text)
        if not case:
            return
        name = case.group(3).strip() or case.group(2) or '?'
        directive = case.group(4) or ''
        if re.match(r'skip', directive, re.I):
            self.skip(name, directive[4:].lstrip(':').strip())
        elif case.group(1):
            self.fail(name)
        else:
            self.passed += 1

    def skip(self, name, reason):
        self.skipped += 1
        self.notes.append('skipped: %s (%s)' % (name, reason or 'no reason'))

    def fail(self, name):
        self.failed += 1
        self.notes.append('FAILED: ' + name)

    def finish(self, code):
        """Judge the end of the program."""
        cases = self.passed + self.failed + self.skipped
        if code < 0:
            self.fail('died of signal %d' % -code)
        elif code and not self.failed:
            self.fail('exit code %d though no case failed' % code)
        elif self.planned is not None and self.planned != cases:
            self.fail('planned %d cases, ran %d' % (self.planned, cases))
        elif not cases:
            self.fail('ran no case')


class Tally:
    """The results file: one JSON document per suite."""

    def __init__(self, path):
        self.path = path

    def add(self, suite, counts, seconds, wanted=True):
        row = {
            'suite': suite, 'seconds': seconds,
            'passed': sum(count.passed for count in counts),
            'failed': sum(count.failed for count in counts),
            'skipped': sum(count.skipped for count in counts)}
        if wanted and not counts:
            print('%s: no test in this suite' % suite)
            row['failed'] += 1
        with open(self.path, 'a', encoding='utf-8') as file:
            file.write(json.dumps(row) + '\n')
        print('%-16s %d passed, %d failed, %d skipped in %.1f s' % (
            suite + ':', row['passed'], row['failed'], row['skipped'],
            seconds), flush=True)
        return row['failed'] == 0

    def summary(self):
        with open(self.path, encoding='utf-8') as file:
            rows = [json.loads(line) for line in file]
        total = {key: sum(row[key] for row in rows)
                 for key in ('passed', 'failed', 'skipped', 'seconds')}
        if not total['passed'] + total['failed']:
            print('no test was run')
            total['failed'] += 1
        print('\n%-18s %8s %8s %8s %8s' % (
            'suite', 'passed', 'failed', 'skipped', 'minutes'))
        for row in rows + [dict(total, suite='all')]:
            print('%-18s %8d %8d %8d %8.2f' % (
                row['suite'], row['passed'], row['failed'], row['skipped'],
                row['seconds'] / 60))
        print('\n%d passed, %d failed, %d skipped' % (
            total['passed'], total['failed'], total['skipped']))
        return total['failed'] == 0


def meson_log(path):
    try:
        with open(path, encoding='utf-8') as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def count_of(entry):
    """Count the cases of one entry of meson's log."""
    count = Count()
    output = entry.get('stdout') or ''
    if entry['result'] in ('TIMEOUT', 'INTERRUPT'):
        for line in output.splitlines():
            count.line(line)
        count.fail('timed out after %.0f s' % entry['duration'])
        return count
    if not re.search(r'^(1\.\.\d|ok\b|not ok\b)', output, re.M):
        # Not a TAP program: its exit code is its one case.
        if entry['returncode'] == 77 or entry['result'] == 'SKIP':
            count.skip(entry['name'], output.strip().split('\n')[-1])
        elif entry['returncode']:
            count.fail('exit code %s' % entry['returncode'])
        else:
            count.passed += 1
        return count
    for line in output.splitlines():
        count.line(line)
    count.finish(entry['returncode'])
    if entry['result'] in ('FAIL', 'ERROR', 'UNEXPECTEDPASS') and \
            not count.failed:
        count.fail('meson says ' + entry['result'])
    return count


def run_meson(tally, build, tag, suites):
    good = True
    for number, suite in enumerate(suites):
        logbase = 'dev-' + suite
        log = os.path.join(build, 'meson-logs', logbase + '.json')
        if os.path.exists(log):
            os.remove(log)
        args = ['meson', 'test', '-C', build, '--no-rebuild', '--logbase',
                logbase, '--suite', suite]
        for before in suites[:number]:
            args += ['--no-suite', before]
        begin = time.monotonic()
        env = dict(os.environ)
        env.setdefault('ASAN_OPTIONS', 'abort_on_error=1:'
                       'detect_stack_use_after_return=1')
        env.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:abort_on_error=1:'
                       'print_stacktrace=1')
        done = subprocess.run(args, env=env, text=True, errors='replace',
                              stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        seconds = time.monotonic() - begin
        counts = []
        entries = meson_log(log)
        if not entries and done.returncode:
            print(done.stdout)
        for entry in entries:
            count = count_of(entry)
            counts.append(count)
            for note in count.notes:
                print('%s%s: %s: %s' % (suite, tag, entry['name'], note))
            if count.failed:
                print('--- %s: output' % entry['name'])
                print((entry.get('stdout') or '').rstrip())
                print((entry.get('stderr') or '').rstrip())
                print('--- %s: end of output' % entry['name'])
        if suite in OPTIONAL_SUITES and not counts:
            continue
        good &= tally.add(suite + tag, counts, seconds)
    return good


def run_tap(tally, suite, command):
    """Pass a command's output through, counting."""
    count = Count()
    begin = time.monotonic()
    with subprocess.Popen(command, text=True, errors='replace',
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            print(line, end='', flush=True)
            count.line(line.rstrip('\n'))
    count.finish(process.returncode)
    for note in count.notes:
        print('%s: %s' % (suite, note))
    return tally.add(suite, [count], time.monotonic() - begin)


def run_exit(tally, suite, command):
    count = Count()
    begin = time.monotonic()
    code = subprocess.run(command, stdin=subprocess.DEVNULL,
                          check=False).returncode
    if code:
        count.fail('%s: exit code %d' % (suite, code))
        print(count.notes[0])
    else:
        count.passed += 1
    return tally.add(suite, [count], time.monotonic() - begin)


def main(argv):
    if len(argv) < 4 or argv[1] != '--results':
        sys.exit(__doc__)
    tally = Tally(argv[2])
    action, args = argv[3], argv[4:]
    if action == 'meson':
        good = run_meson(tally, args[0], args[1], args[2:])
    elif action == 'summary':
        good = tally.summary()
    elif action in ('tap', 'exit') and args[1] == '--':
        run = run_tap if action == 'tap' else run_exit
        good = run(tally, args[0], args[2:])
    else:
        sys.exit(__doc__)
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main(sys.argv)
