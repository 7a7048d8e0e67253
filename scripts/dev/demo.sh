#!/bin/bash
# usage: ./dev demo [--qemu VERSION]
#
# From a fresh Debian 12 to a look into a running VM: installs what is needed,
# builds, boots a Debian kernel under stock QEMU that was started with nothing
# special but a QMP socket, and runs microvmi on it. Each command is printed
# before its output. The guest and its files are gone when the demo ends.
#
#   --qemu VERSION  7.2 (the system's; default), 10.0, 11.1 (from the cache)
#
# examples:
#   ./dev demo
#   ./dev demo --qemu 11.1
. "$ROOT/scripts/dev/common.sh"

version=7.2
case ${1:-} in
-h | --help)
	usage_of "$0"
	exit 0
	;;
--qemu) version=${2:?--qemu needs a version} ;;
?*) die "demo: unknown argument $1" ;;
esac

guest=
folder=$(mktemp -d /tmp/microvmi-demo.XXXXXX)

finish() {
	if [ -n "$guest" ]; then
		kill "$guest" 2>/dev/null || :
		wait "$guest" 2>/dev/null || :
		say "the guest is shut down"
	fi
	rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# Print a command as it would be typed, then its output.
show() {
	printf '\n$ %s\n' "$*"
	"$@" || die "that failed with exit code $?"
}

# What the guest told of one of its kernel's symbols, on its serial line.
symbol() {
	sed -n "s/^MICROVMI-READY .* $1=\([0-9a-fx]*\).*/\1/p" "$folder/serial"
}

need demo
# Fetching a newer QEMU adapts it to this system.
[ "$version" = 7.2 ] || need test
build_release
export PATH=$ROOT/build:$PATH

say "getting a Debian kernel and making an initramfs with some processes"
kernel=$(scripts/guests/fetch kernel-6.1)
initramfs=$(scripts/guests/initramfs kernel-6.1)
cp "$kernel"/boot/vmlinuz-* "$folder/vmlinuz"
cp "$initramfs" "$folder/initramfs"
scripts/guests/qemu --path "$version" >/dev/null

say "booting it under $(scripts/guests/qemu "$version" --version | head -1)"
cat <<END

\$ qemu-system-x86_64 -m 256M -kernel vmlinuz -initrd initramfs \\
	-append console=ttyS0 -nographic -qmp unix:vm.qmp,server=on,wait=off &
END
scripts/guests/qemu "$version" -m 256M -nodefaults -display none \
	-kernel "$folder/vmlinuz" -initrd "$folder/initramfs" \
	-append "console=ttyS0 quiet panic=-1 microvmi.mode=truth" -no-reboot \
	-serial "file:$folder/serial" \
	-qmp "unix:$folder/vm.qmp,server=on,wait=off" </dev/null \
	>"$folder/qemu.log" 2>&1 &
guest=$!

deadline=$((SECONDS + 120))
until grep -qs '^MICROVMI-READY .*adler=' "$folder/serial"; do
	kill -0 "$guest" 2>/dev/null || {
		cat "$folder/qemu.log" >&2
		die "QEMU ended while the guest was booting"
	}
	[ $SECONDS -lt $deadline ] || die "the guest is not up after 120 s"
	sleep 0.1
done

cd "$folder"
target=qemu:vm.qmp
address=$(symbol linux_banner)

show microvmi list
show microvmi info $target
show microvmi regs $target
printf '\nThe guest says on its console that linux_banner is at %s;\n' \
	"$address"
echo "its page tables, walked from vCPU 0's CR3, lead there:"
show microvmi read $target "$address" 64 --virt --vcpu 0
show microvmi dump $target -o vm.elf --format elf
show microvmi info dump:vm.elf
show ls -lsh vm.elf
printf '\nNobody told which kernel this is: its symbols and types are read\n'
echo "from its own memory."
show microvmi ps $target --tree --args
show microvmi modules $target
show microvmi symbols $target linux_banner schedule
show microvmi types $target list_head task_struct.comm
show microvmi read $target linux_banner 64
