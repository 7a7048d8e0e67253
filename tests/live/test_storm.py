"""Linux guests that change while they are looked at.

Processes come and go without end on each CPU, and nothing stands still: what
is told must be right, or the command must say that it may not be.
"""
import json

import truth
from harness import check, microvmi
from run import case

ROUNDS = 50
STORM = {'kind': 'linux', 'mode': 'truth', 'smp': 2, 'tries': 3,
         'append': 'MICROVMI_STORM=3', 'looks': True}


def permanent(guest):
    """What is there all the time: (pid, parent, name) of each process."""
    return {(one.pid, one.ppid, one.name)
            for one in truth.of(guest).processes.values()
            if not one.is_kernel and one.name != 'short-lived' and
            one.state != 'Z'}


def judge(result, wanted):
    """Check an answer; tell whether it was whole, doubted or refused."""
    check(result.code in (0, 1), 'ended with', result.code, result)
    if result.code:
        check(result.err.startswith('microvmi: ps: '), result)
        return 'refused'
    got = {(one['pid'], one['ppid'], one['name'])
           for one in json.loads(result.out)}
    if wanted <= got:
        return 'whole'
    check(result.err, 'silent about', wanted - got)
    return 'doubted'


def count(guest, *options):
    wanted = permanent(guest)
    kinds = [judge(guest.microvmi('ps', '--json', '--no-profile', *options),
                   wanted) for _ in range(ROUNDS)]
    return {kind: kinds.count(kind) for kind in set(kinds)}


@case(**STORM)
def held_guest_tells_all_its_processes(guest):
    told = count(guest)
    print('# storm, held: %s' % told)
    check(told.get('whole', 0) == ROUNDS, told)


@case(**STORM)
def running_guest_tells_its_processes_or_doubts(guest):
    told = count(guest, '--live')
    print('# storm, running: %s' % told)
    check(told.get('whole', 0) >= ROUNDS // 2, told)
    check(guest.truth.running(), 'the VM stands still')


@case(**STORM)
def everything_can_be_asked_of_a_running_guest(guest):
    told = truth.of(guest)
    pid = told.process('target').pid
    for _ in range(5):
        for command in (('ps', '--threads', '--args', '--env', '--path',
                         '--namespaces', '--current'),
                        ('maps', '--pid', pid), ('files', '--pid', pid),
                        ('images', '--pid', pid), ('sockets',), ('mounts',),
                        ('modules',), ('dmesg',), ('syscalls',), ('check',)):
            result = microvmi(command[0], guest.target, *command[1:],
                              '--live', '--json', '--no-profile')
            # Findings of a moment, which the command says they may be.
            found = result.code == 7 and command[0] == 'check'
            check(result.code in (0, 1) or found, 'ended with', result.code,
                  result)
            check(not found or 'runs' in result.err, result)
            if result.code != 1:
                json.loads(result.out)
            else:
                check(result.err.startswith('microvmi: '), result)
