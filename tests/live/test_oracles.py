"""Others who know Linux, by debug symbols, agree with what we say of a dump.

drgn and crash come from a later Debian, beside the system, and read the ELF
core that the command wrote; the kernel's debug symbols are 300 MB to fetch.
"""
import json
import os
import re
import subprocess

from harness import (Failed, Skip, check, check_equal, guests_tool,
                     kernel_image, microvmi)
from run import case

DRGN = r'''
import json, sys
import drgn
from drgn.helpers.linux.fs import d_path, for_each_file, for_each_mount
from drgn.helpers.linux.fs import mount_dst, mount_fstype, mount_src
from drgn.helpers.linux.mm import for_each_vma
from drgn.helpers.linux.module import for_each_module
from drgn.helpers.linux.pid import for_each_task

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])


def text(value):
    return value.decode("utf-8", "replace")


tasks = []
for task in for_each_task(prog):
    areas = []
    if task.mm:
        areas = [(vma.vm_start.value_(), vma.vm_end.value_())
                 for vma in for_each_vma(task.mm)]
    tasks.append({
        "object": task.value_(), "pid": task.pid.value_(),
        "tgid": task.tgid.value_(),
        "ppid": task.real_parent.tgid.value_(),
        "name": text(task.comm.string_()),
        "uid": task.cred.uid.val.value_(),
        "areas": areas,
        "files": [(fd, file.value_()) for fd, file in for_each_file(task)]
                 if task.files else []})
print(json.dumps({
    "tasks": tasks,
    "modules": [(text(one.name.string_()), one.value_())
                for one in for_each_module(prog)],
    "mounts": [(text(mount_src(one)), text(mount_dst(one)),
                text(mount_fstype(one))) for one in for_each_mount(prog)]}))
'''


def oracle(program, *args, timeout=300, **options):
    """Run a program of the set with the set's own libraries."""
    try:
        root = guests_tool('fetch', 'oracles')
    except Failed as error:
        raise Skip('drgn and crash cannot be had: %s' % error) from None
    libraries = os.path.join(root, 'usr/lib/x86_64-linux-gnu')
    return subprocess.run(
        [os.path.join(root, 'lib64/ld-linux-x86-64.so.2'), '--library-path',
         libraries, os.path.join(root, 'usr/bin', program), *args],
        env=dict(os.environ, PYTHONHOME=os.path.join(root, 'usr'), TERM='dumb'),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
        check=False, **options)


def vmlinux(kernel):
    """Return the path of a kernel with debug symbols."""
    try:
        folder = guests_tool('fetch', kernel.replace('kernel-', 'debug-'))
    except Failed as error:
        raise Skip('debug symbols cannot be had: %s' % error) from None
    found = [os.path.join(place, name) for place, _, names in os.walk(folder)
             for name in names if name.startswith('vmlinux')]
    check_equal(len(found), 1, 'files called vmlinux')
    builds = [re.search(r'\d[^/]*cloud-amd64', path).group(0)
              for path in (found[0], kernel_image(kernel))]
    if builds[0] != builds[1]:
        raise Skip('debug symbols are of %s, the kernel is %s' %
                   tuple(builds))
    return found[0]


def dump_of(guest):
    if 'dump' not in guest.kept:
        path = guest.path('dump.elf')
        with guest.halted():
            guest.microvmi('dump', '-o', path).ok()
        guest.kept['dump'] = path
    return guest.kept['dump']


def ours(guest, command, *args):
    return microvmi(command, 'dump:' + dump_of(guest), *args, '--no-profile',
                    '--json').json()


def same_name(cut, full):
    """Tell whether a name is what task_struct has room for of the other.

    A worker's name goes on with what it does, a kernel thread's may be
    longer than that room."""
    return full.startswith(cut) or cut.startswith(full)


def drgn_says(guest):
    if 'drgn' not in guest.kept:
        script = guest.path('ask.py')
        with open(script, 'w', encoding='utf-8') as file:
            file.write(DRGN)
        done = oracle('python3', script, dump_of(guest),
                      vmlinux(guest.kernel))
        check_equal(done.returncode, 0, 'drgn: ' + done.stderr.decode())
        guest.kept['drgn'] = json.loads(done.stdout)
    return guest.kept['drgn']


def case_with_drgn(function):
    for kernel in ('kernel-6.1', 'kernel-7.3'):
        case(full=True, looks=True, version='7.2', kind='linux', mode='truth',
             smp=2, tries=3, kernel=kernel)(function)
    return function


@case_with_drgn
def drgn_agrees_on_tasks(guest):
    wanted = {one['object']: one for one in drgn_says(guest)['tasks']}
    got = {int(one['object'], 0): one for one in
           ours(guest, 'ps', '--threads')}
    check_equal(sorted(got), sorted(wanted), 'task_structs')
    for at, one in got.items():
        for key in ('pid', 'tgid', 'ppid', 'uid'):
            check_equal(one[key], wanted[at][key], '%s of %s' % (key, one))
        check(same_name(wanted[at]['name'], one['name']), one, wanted[at])


@case_with_drgn
def drgn_agrees_on_areas_and_files(guest):
    for task in drgn_says(guest)['tasks']:
        if not task['areas']:
            continue
        got = [[int(one['start'], 0), int(one['end'], 0)] for one in
               ours(guest, 'maps', '--pid', task['tgid'])]
        check_equal(got, task['areas'], 'areas of %d' % task['tgid'])
        got = [[one['fd'], int(one['object'], 0)] for one in
               ours(guest, 'files', '--pid', task['tgid'])]
        check_equal(got, task['files'], 'files of %d' % task['tgid'])


@case_with_drgn
def drgn_agrees_on_modules_and_mounts(guest):
    said = drgn_says(guest)
    check_equal([[one['name'], int(one['object'], 0)] for one in
                 ours(guest, 'modules')], said['modules'], 'modules')
    # drgn lists what is mounted under all, which no process can reach.
    check_equal(sorted([one['source'], one['path'], one['type']]
                       for one in ours(guest, 'mounts')),
                sorted(one for one in said['mounts'] if one[2] != 'nullfs'),
                'mounts')


@case(full=True, looks=True, version='7.2', kind='linux', mode='truth', smp=2,
      tries=3, kernel='kernel-6.1')
def crash_agrees_on_tasks_and_modules(guest):
    commands = guest.path('commands')
    with open(commands, 'w', encoding='utf-8') as file:
        file.write('ps\nmod\nquit\n')
    done = oracle('crash', '-s', '-i', commands, vmlinux(guest.kernel),
                  dump_of(guest), stdin=subprocess.DEVNULL)
    text = done.stdout.decode('utf-8', 'replace')
    check_equal(done.returncode, 0, 'crash: ' + text[-1000:])
    wanted = {int(at, 16): (int(pid), int(ppid), name.strip('[] '))
              for pid, ppid, at, name in re.findall(
                  r'^>? +(\d+) +(\d+) +\d+ +([0-9a-f]{16}) +\w\w +[\d.]+ '
                  r'+\d+ +\d+ +(.*)$', text, re.M)}
    # Idle tasks are on no list: each CPU has its own.
    wanted = {at: one for at, one in wanted.items() if one[0]}
    got = {int(one['object'], 0): one for one in
           ours(guest, 'ps', '--threads') if one['pid']}
    check_equal(sorted(got), sorted(wanted), 'task_structs')
    for at, one in got.items():
        check_equal((one['pid'], one['ppid']), wanted[at][:2], str(one))
        check(same_name(wanted[at][2], one['name']), one, wanted[at])
    modules = set(re.findall(r'^ *([0-9a-f]{16}) +(\w+) +[0-9a-f]{16} ', text,
                             re.M))
    check_equal({(one['object'][2:], one['name']) for one in
                 ours(guest, 'modules')}, modules, 'modules')
