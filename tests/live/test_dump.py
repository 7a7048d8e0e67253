"""Dumps: whole, sparse, opened by others, and never half."""
import os
import re
import resource
import signal
import subprocess
import time

from harness import (BUILD, TINY, QemuGuest, Skip, check, check_equal,
                     first_difference, microvmi, microvmi_started)
from run import case

MIB = 1 << 20


def allocated(path):
    return os.stat(path).st_blocks * 512


def ram_file(guest):
    for name in os.listdir('/proc/%d/fd' % guest.pid):
        path = '/proc/%d/fd/%s' % (guest.pid, name)
        if os.readlink(path).startswith('/memfd:'):
            return path
    raise AssertionError('QEMU has no memfd')


def compare_dump(guest, path):
    """The dump, read by ourselves, has each byte that QEMU has."""
    for start, length in guest.ram_regions():
        for at in range(start, start + length, 64 * MIB):
            size = min(64 * MIB, start + length - at)
            got = microvmi('read', 'dump:' + path, hex(at), size,
                           '--raw').ok().out
            where = first_difference(got, guest.memory_at(at, size))
            check(where is None, 'differs at', hex(at + (where or 0)))


@case(kind='linux', mode='touch', newest=True)
def elf_dump_has_every_byte(guest):
    path = guest.path('dump')
    with guest.halted():
        guest.microvmi('dump', '-o', path, '--format', 'elf').ok()
        compare_dump(guest, path)
    os.unlink(path)


@case(kind='linux', mode='touch')
def raw_dump_has_every_byte(guest):
    path = guest.path('dump')
    with guest.halted():
        guest.microvmi('dump', '-o', path, '--format', 'raw').ok()
        compare_dump(guest, path)
    os.unlink(path)


@case(memory='4G', ram='memfd')
def dump_of_an_untouched_guest_is_sparse_and_touches_nothing(guest):
    path = guest.path('dump')
    for form in ('raw', 'elf'):
        before = allocated(ram_file(guest))
        guest.microvmi('dump', '-o', path, '--format', form).ok()
        check(allocated(ram_file(guest)) - before < 5 * MIB,
              'the guest\'s RAM file grew from', before, 'to',
              allocated(ram_file(guest)))
        check(os.stat(path).st_size >= 4 << 30, 'size',
              os.stat(path).st_size)
        check(allocated(path) < 64 * MIB, 'blocks of the dump',
              allocated(path))
        os.unlink(path)


@case()
def dump_of_a_running_guest_leaves_it_running(guest):
    path = guest.path('dump')
    for how in ((), ('--live',)):
        guest.microvmi('dump', '-o', path, *how).ok()
        check(guest.truth.running(), 'the VM is stopped')
        os.unlink(path)


@case(newest=True)
def gdb_opens_the_elf_dump_and_shows_the_registers(guest):
    path = guest.path('dump')
    with guest.halted():
        guest.microvmi('dump', '-o', path, '--format', 'elf').ok()
        wanted = guest.registers()
    text = subprocess.run(
        ['gdb', '-nx', '-batch', '-ex', 'set architecture i386:x86-64',
         '-ex', 'core-file ' + path, '-ex', 'info registers'], text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False).stdout
    found = {name: int(value, 16) for name, value in
             re.findall(r'^(r\w+|eflags)\s+(0x[0-9a-f]+)', text, re.M)}
    for name in ('rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp',
                 'r8', 'r15', 'rip'):
        check(name in found, 'gdb shows no', name, 'but', text)
        check_equal(found[name], wanted[name], name + ' in gdb')
    os.unlink(path)


@case(newest=True)
def registers_in_the_dump_are_the_guests(guest):
    path = guest.path('dump')
    with guest.halted():
        guest.microvmi('dump', '-o', path, '--format', 'elf').ok()
    got = microvmi('regs', 'dump:' + path, '--json').json()[0]['registers']
    for name in ('rbx', 'r8', 'r15', 'cr3', 'kernel_gs_base'):
        check_equal(int(got[name], 16), TINY['registers'][name], name)
    os.unlink(path)


@case()
def compressed_dump_is_a_zstd_stream_of_the_dump(guest):
    plain, packed = guest.path('dump'), guest.path('dump.zst')
    with guest.halted():
        guest.microvmi('dump', '-o', plain, '--format', 'raw').ok()
        guest.microvmi('dump', '-o', packed, '--format', 'raw',
                       '--compress').ok()
    check(allocated(packed) < 64 * MIB)
    got = subprocess.run(['zstd', '-dcq', packed], check=True,
                         stdout=subprocess.PIPE).stdout
    with open(plain, 'rb') as file:
        check(got == file.read(), 'the unpacked dump differs')
    os.unlink(plain)
    os.unlink(packed)


def dense_guest():
    """A guest with half a GiB of RAM that is not zero, so that a dump of it
    takes a while."""
    # Without a name, so that nothing is left of it however this ends.
    with open(os.memfd_create('dense'), 'wb') as file:
        for number in range(512):
            file.write(os.urandom(4096) * 256 + bytes([number & 255]))
        file.flush()
        guest = QemuGuest(memory='1G', extra=(
            '-device', 'loader,file=/proc/%d/fd/%d,addr=0x1000000,'
            'force-raw=on' % (os.getpid(), file.fileno())))
        try:
            guest.start()
        except BaseException:
            guest.stop()
            raise
    return guest


def check_nothing_left(guest, before):
    check(guest.truth.running(), 'the VM stands still')
    for name in set(os.listdir(guest.folder)) - before:
        check('part' in name or 'tmp' in name, name,
              'looks like a whole dump')


@case()
def interrupted_dump_leaves_the_vm_running_and_no_half_file(_):
    guest = dense_guest()
    try:
        before = set(os.listdir(guest.folder))
        path = guest.path('dump')
        with microvmi_started('dump', guest.target, '-o', path) as dump:
            deadline = time.monotonic() + 10
            while set(os.listdir(guest.folder)) == before and \
                    time.monotonic() < deadline and dump.poll() is None:
                pass
            time.sleep(0.02)
            dump.send_signal(signal.SIGINT)
            dump.communicate(timeout=20)
        if dump.returncode == 0:
            raise Skip('the dump was quicker than ^C')
        check_nothing_left(guest, before)
    finally:
        guest.stop()


@case()
def full_disk_leaves_the_vm_running_and_no_half_file(_):
    guest = dense_guest()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * MIB, 64 * MIB))

    try:
        before = set(os.listdir(guest.folder))
        done = subprocess.run(
            [os.path.join(BUILD, 'microvmi'), 'dump', guest.target, '-o',
             guest.path('dump')], stdin=subprocess.DEVNULL, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit,
            check=False)
        check(done.returncode > 0, 'exit code', done.returncode)
        check(b'dump' in done.stderr, done.stderr.decode())
        check_nothing_left(guest, before)
    finally:
        guest.stop()
