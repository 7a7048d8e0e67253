"""Cross views of a guest whose kernel is tampered with, as a rootkit does.

The guest stands still, a few of its pointers are changed by the command, the
check has to say what is hidden, and the pointers are put back.
"""
import contextlib
import json

import truth
from harness import check, check_equal
from run import case

GUEST = {'kind': 'linux', 'mode': 'truth', 'tries': 3, 'cpu': 'max', 'smp': 2,
         'extra': ('-device', 'vmcoreinfo')}


class Tampering:
    """Changes to a guest's memory that are undone at the end."""

    def __init__(self, guest):
        self.guest, self.undo = guest, []

    def offset(self, member):
        return self.guest.microvmi('types', member, '--json').json()[0][
            'offset']

    def symbol(self, name):
        return int(self.guest.microvmi('symbols', name, '--json').json()[0][
            'addr'], 16)

    def load(self, at):
        got = self.guest.microvmi('read', hex(at), '8', '--virt', '--raw')
        return int.from_bytes(got.ok().out, 'little')

    def store(self, at, value):
        self.undo.append((at, self.load(at)))
        self.put(at, value)

    def put(self, at, value):
        self.guest.microvmi('write', hex(at), '--virt',
                            value.to_bytes(8, 'little').hex()).ok()

    def unlink(self, link):
        """Take a member out of a list, as list_del_init() does."""
        after, before = self.load(link), self.load(link + 8)
        self.store(before, after)
        self.store(after + 8, before)
        self.store(link, link)
        self.store(link + 8, link)

    def findings(self):
        got = self.guest.microvmi('check', '--json')
        findings = json.loads(got.out)['findings']
        check_equal(got.code, 7 if findings else 0, 'exit code of check')
        return findings


@contextlib.contextmanager
def tampering(guest):
    """Let a guest stand still, honest before and after."""
    with guest.halted():
        work = Tampering(guest)
        check_equal(work.findings(), [], 'findings in an honest guest')
        try:
            yield work
        finally:
            for at, value in reversed(work.undo):
                work.put(at, value)
        check_equal(work.findings(), [], 'findings after all was undone')


def object_of(listed, name):
    return [int(one['object'], 16) for one in listed if one['name'] == name][0]


@case(kernel='kernel-6.1', **GUEST)
@case(full=True, kernel='kernel-5.10', **GUEST)
@case(full=True, kernel='kernel-7.3', **GUEST)
def hidden_process_is_found_by_its_id_and_its_parent(guest):
    pid = truth.of(guest).process('target').pid
    task = object_of(guest.microvmi('ps', '--json').json(), 'target')
    with tampering(guest) as work:
        work.unlink(task + work.offset('task_struct.tasks'))
        check('target' not in [one['name'] for one in
                               guest.microvmi('ps', '--json').json()],
              'ps still sees it')
        texts = [one['text'] for one in work.findings()]
        for text in ('is in the table of ids, and not on the list of tasks',
                     'is a child of another, and not on the list of tasks'):
            check('task %d (target) %s' % (pid, text) in texts, texts)


@case(kernel='kernel-6.1', **GUEST)
@case(full=True, kernel='kernel-5.10', **GUEST)
@case(full=True, kernel='kernel-7.3', **GUEST)
def hidden_module_is_found_by_its_addresses_and_in_sysfs(guest):
    module = object_of(guest.microvmi('modules', '--json').json(), 'loop')
    with tampering(guest) as work:
        work.unlink(module + work.offset('module.list'))
        check_equal([one['text'] for one in work.findings()],
                    ['module loop is in %s, and not on the list of modules'
                     % where for where in ('the tree of addresses', 'sysfs')],
                    'findings')


@case(kernel='kernel-6.1', **GUEST)
@case(full=True, kernel='kernel-5.10', **GUEST)
@case(full=True, kernel='kernel-7.3', **GUEST)
def foreign_system_call_is_named_by_its_module(guest):
    loop = [one for one in guest.microvmi('modules', '--json').json()
            if one['name'] == 'loop'][0]
    with tampering(guest) as work:
        work.store(work.symbol('sys_call_table') + 8 * 257,
                   int(loop['base'], 16) + 0x10)
        check_equal([one['text'] for one in work.findings()],
                    ["system call 257 leads to [loop]+0x10, outside of the "
                     "kernel's code"], 'findings')
        got = guest.microvmi('syscalls', '--json').json()
        check_equal([one['number'] for one in got if one['foreign']], [257],
                    'foreign system calls')
