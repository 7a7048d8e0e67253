"""Who stops and starts the VM, and what happens when it or its monitor is
not to be had."""
import os
import signal
import socket
import time

from harness import (TINY, check, check_equal, microvmi, microvmi_started)
from run import case


@case(newest=True)
def pause_lasts_after_the_command_until_resume(guest):
    guest.microvmi('pause').ok()
    try:
        check(not guest.truth.running(), 'still running after pause')
        before = guest.u64_at(TINY['counter'])
        check_equal(guest.u64_at(TINY['counter']), before, 'counter')
    finally:
        guest.microvmi('resume').ok()
    check(guest.truth.running(), 'still stopped after resume')


@case(newest=True)
def vm_that_someone_else_stopped_is_never_started(guest):
    with guest.halted():
        guest.microvmi('regs').ok()
        guest.microvmi('read', '0x110010', '16').ok()
        guest.microvmi('info').ok()
        guest.microvmi('dump', '-o', guest.path('dump')).ok()
        os.unlink(guest.path('dump'))
        check(not guest.truth.running(), 'the VM was started')


@case(newest=True)
def busy_monitor_is_noticed_within_a_second(guest):
    with socket.socket(socket.AF_UNIX) as holder:
        holder.connect(guest.path('qmp'))
        check(b'QMP' in holder.recv(4096))
        result = guest.microvmi('regs')
        result.fails('busy|another|held|in use', '-qmp')
        check(result.seconds < 2, 'took', result.seconds, 's')


@case(newest=True)
def memory_is_read_while_the_monitor_is_busy(guest):
    with socket.socket(socket.AF_UNIX) as holder:
        holder.connect(guest.path('qmp'))
        check(b'QMP' in holder.recv(4096))
        got = guest.microvmi('read', hex(TINY['text']), '16', '--raw').ok()
        check_equal(got.out, b'microvmi tiny ok')
        check(got.seconds < 3, 'took', got.seconds, 's')


@case(newest=True)
def monitor_is_free_again_after_each_command(guest):
    for _ in range(5):
        guest.microvmi('regs').ok()
    check(guest.truth.running())


@case(fresh=True, memory='1G')
def vm_killed_in_mid_read_is_a_clear_error(guest):
    with microvmi_started('read', guest.target, '0', '0x3ff00000',
                          '--raw') as reader:
        reader.stdout.read(1 << 20)
        # The pipe is full now: the command waits in mid-read.
        guest.process.kill()
        guest.process.wait()
        rest = reader.stdout.read()
        said = reader.stderr.read().decode()
        code = reader.wait(20)
    check(len(rest) + (1 << 20) < 0x3ff00000, 'read the memory of a dead VM')
    check(code > 0, 'exit code', code)
    check('gone' in said or 'ended' in said or 'exited' in said, said)


@case(fresh=True)
def vm_killed_in_mid_dump_leaves_no_half_file(guest):
    path = guest.path('dump')
    with microvmi_started('dump', guest.target, '-o', path, '--live') as dump:
        os.kill(guest.pid, signal.SIGKILL)
        guest.process.wait()
        dump.communicate(timeout=20)
        code = dump.returncode
    check(code >= 0, 'died of signal', -code)
    # It may have been quicker than the kill.
    check((code == 0) == os.path.exists(path), 'exit code', code)


@case(fresh=True)
def vm_that_is_gone_is_a_clear_error(guest):
    guest.process.kill()
    guest.process.wait()
    begin = time.monotonic()
    guest.microvmi('read', '0', '16').fails(r'\S')
    microvmi('read', guest.target_pid, '0', '16').fails(r'\S')
    check(time.monotonic() - begin < 5)


@case()
def target_that_is_nowhere_is_named(guest):
    microvmi('info', 'qemu:' + guest.path('nowhere')).fails('nowhere')
    microvmi('info', 'quemu:x').fails('quemu')
