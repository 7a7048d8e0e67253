"""list and info know a plain QEMU, and say why another cannot be opened."""
from harness import check, microvmi
from run import case


@case(newest=True)
def list_finds_the_guest(guest):
    text = microvmi('list', '--json').ok().out.decode()
    check(str(guest.pid) in text or guest.path('qmp') in text,
          'not listed:', text)


@case(newest=True)
def info_names_the_version_and_the_driver(guest):
    text = guest.microvmi('info').ok().out.decode()
    check('qemu' in text.lower(), text)
    check(guest.version in text, 'no', guest.version, 'in', text)


@case(qmp=False)
def guest_without_a_monitor_is_opened_by_pid(guest):
    guest.microvmi('info').ok()
    got = guest.microvmi('read', '0x110010', '16', '--raw').ok().out
    check(got == b'microvmi tiny ok', got)
