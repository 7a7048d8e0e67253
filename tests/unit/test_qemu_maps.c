/* SPDX-License-Identifier: MIT */
/* What /proc tells of a process, and what a QEMU's command line tells. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drivers/qemu/cmdline.h"
#include "drivers/qemu/proc.h"
#include "harness.h"

/** The words, each with its NUL, as /proc/PID/cmdline has them. */
#define PARSE(words, ret) cmdline_parse(words, sizeof(words), ret)

static void private_and_shared_mappings_are_told_apart(void)
{
	struct proc_map map;

	CHECK(proc_parse_map("7f0677e00000-7f0777e00000 rw-p 00000000 00:00 0 ",
			     &map));
	CHECK(!map.shared && map.readable && map.inode == 0);
	CHECK(map.end - map.start == UINT64_C(1) << 32);
	CHECK(proc_parse_map("7f0000000000-7f0000001000 rw-s 00002000 00:01 "
			     "4711 /memfd:m (deleted)",
			     &map));
	CHECK(map.shared && map.inode == 4711 && map.off == 0x2000);
}

static void lines_that_are_no_mappings_are_refused(void)
{
	static const char *const lines[] = {
		"",
		"VmFlags: rd wr mr",
		"1000-2000",
		"1000-2000 rw",
		"2000-1000 rw-p 00000000 00:00 0",
		"1000-1000 rw-p 00000000 00:00 0",
		"-1000-2000 rw-p 00000000 00:00 0",
		"1000-2000 rw-p 00000000 00:00 x",
		"1000-ffffffffffffffffff rw-p 00000000 00:00 0",
		"1000-2000 rw-p ffffffffffffffff 00:00 0",
	};
	struct proc_map map;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK(!proc_parse_map(lines[i], &map));
}

static void own_memfd_is_found_and_opened(void)
{
	int fd = memfd_create("maps", MFD_CLOEXEC);
	struct proc_maps maps;
	bool found = false;
	void *at;

	CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
	at = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	CHECK(proc_maps(getpid(), &maps, NULL) == MVMI_OK);
	for (size_t i = 0; i < maps.count; i++) {
		if (maps.maps[i].start != (uintptr_t)at)
			continue;
		int again = proc_open_map(getpid(), &maps.maps[i]);

		found = maps.maps[i].shared && again >= 0;
		(void)close(again);
	}
	free(maps.maps);
	(void)munmap(at, 8192);
	(void)close(fd);
	CHECK(found);
}

static void plain_qmp_option_names_a_monitor(void)
{
	struct cmdline c;

	PARSE("qemu-system-x86_64\0-M\0q35,smm=off\0-m\0size=2G,slots=2,"
	      "maxmem=4G\0-name\0guest=web,debug-threads=on\0--qmp\0"
	      "unix:/run/a,,b.qmp,server=on,wait=off\0",
	      &c);
	CHECK(c.monitor_count == 1);
	CHECK(strcmp(c.monitors[0].path, "/run/a,b.qmp") == 0);
	CHECK(strcmp(c.machine, "q35") == 0 && strcmp(c.name, "web") == 0);
	CHECK(c.memory_len == UINT64_C(2) << 30 && c.has_slots);
}

static void chardev_of_libvirt_names_a_monitor(void)
{
	struct cmdline c;

	PARSE("/usr/bin/qemu-kvm\0-name\0guest=db,debug-threads=on\0"
	      "-machine\0pc-q35-7.2,usb=off\0-chardev\0socket,"
	      "id=charmonitor,fd=28,server=on,wait=off\0-mon\0"
	      "chardev=charmonitor,id=monitor,mode=control\0-device\0"
	      "{\"driver\":\"virtio-balloon-pci\"}\0",
	      &c);
	CHECK(c.monitor_count == 1 && c.monitors[0].fd == 28);
	CHECK(c.has_balloon && strcmp(c.machine, "pc-q35-7.2") == 0);
}

static void human_monitors_are_passed_over(void)
{
	struct cmdline c;

	PARSE("qemu\0-monitor\0unix:/x,server\0-chardev\0socket,id=h,path=/y\0"
	      "-mon\0chardev=h,mode=readline\0-qmp\0tcp:localhost:1\0",
	      &c);
	CHECK(c.monitor_count == 0);
}

static void sizes_have_units_and_limits(void)
{
	struct cmdline c;

	PARSE("qemu\0-m\0"
	      "512\0",
	      &c);
	CHECK(c.memory_len == 512 << 20);
	PARSE("qemu\0-m\0"
	      "99999999999T\0",
	      &c);
	CHECK(c.memory_len == 0);
	PARSE("qemu\0-m\0lots\0", &c);
	CHECK(c.memory_len == 0);
}

static void a_text_without_its_last_nul_is_safe(void)
{
	struct cmdline c;

	cmdline_parse("qemu\0-qmp\0unix:/x", 17, &c);
	CHECK(c.monitor_count == 0);
	cmdline_parse("", 0, &c);
	CHECK(c.monitor_count == 0);
}

static void this_test_is_no_qemu(void)
{
	CHECK(!cmdline_is_qemu(getpid()));
}

TESTS(T(private_and_shared_mappings_are_told_apart),
      T(lines_that_are_no_mappings_are_refused),
      T(own_memfd_is_found_and_opened), T(plain_qmp_option_names_a_monitor),
      T(chardev_of_libvirt_names_a_monitor), T(human_monitors_are_passed_over),
      T(sizes_have_units_and_limits), T(a_text_without_its_last_nul_is_safe),
      T(this_test_is_no_qemu))
