/* SPDX-License-Identifier: MIT */
/*
 * What runs in a guest whose semantics are tested: a small population of
 * processes with all sorts of files, sockets and memory areas, and the ground
 * truth about it, taken from /proc inside the guest.
 *
 * The truth stays in this guest's RAM: the last line on the console says at
 * which guest-physical address its index begins.  So it leaves the guest at
 * the speed of a memory dump, with no device and no module.
 *
 * It is started by scripts/guests/init as the guest's first process.  All of
 * it blocks in the end, so that what was written about it stays true.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	   ((size_t)4096)
#define TRUTH_MAX  ((size_t)64 << 20)
#define CHUNK	   ((size_t)1 << 16) /* sysctl takes no read of megabytes */
#define BOARD	   (4 * PAGE)
#define BOARD_FD   100
#define SPINNERS   7
#define MANY_FILES 300
#define MANY_AREAS 400

/* The processes tell each other how far they are through this. */
struct board {
	int starts; /* how many processes and threads were started */
	int target; /* the number of the one that runs this program anew */
	int cpu;    /* the last CPU that has a spinner */
	int spinning;
	int spin; /* the spinners may spin */
	pid_t spinner[SPINNERS + 1];
	char ready[BOARD - 128]; /* one for each start */
};

_Static_assert(sizeof(struct board) <= BOARD, "the board is mapped whole");

static volatile struct board *board;

static void die(const char *what)
{
	fprintf(stderr, "population: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long must(long value, const char *what)
{
	if (value < 0)
		die(what);
	return value;
}

static void name_process(const char *name)
{
	must(prctl(PR_SET_NAME, name), "prctl");
}

static int start_begin(void)
{
	int n = __atomic_add_fetch(&board->starts, 1, __ATOMIC_SEQ_CST);

	if ((size_t)n >= sizeof(board->ready))
		die("too many processes");
	return n;
}

static void start_wait(int n)
{
	while (!board->ready[n])
		usleep(1000);
}

static void block(void)
{
	for (;;)
		pause();
}

/** Start a process that runs body and then blocks; wait until it does. */
static pid_t start(void (*body)(int), const char *name)
{
	int n = start_begin();
	pid_t pid = (pid_t)must(fork(), "fork");

	if (pid == 0) {
		name_process(name);
		body(n);
		board->ready[n] = 1;
		block();
	}
	start_wait(n);
	return pid;
}

/* Files, sockets and memory areas. */

static int write_file(const char *path, const char *text, int flags)
{
	int fd = (int)must(open(path, O_CREAT | O_RDWR | flags, 0644), path);

	must(write(fd, text, strlen(text)), path);
	return fd;
}

static void open_files(void)
{
	int pipes[2];
	struct epoll_event event = { .events = EPOLLIN };
	int epoll, eventfd_;

	mkdir("/tmp/deep", 0755);
	mkdir("/tmp/deep/er", 0755);
	write_file("/tmp/plain", "plain text\n", 0);
	write_file("/tmp/appended", "appended\n", O_APPEND);
	write_file("/tmp/deep/er/a name with spaces", "deep\n", 0);
	write_file("/tmp/deep/er/\xc3\xbc\xc3\xa4\xe2\x82\xac", "UTF-8\n", 0);
	write_file("/tmp/gone", "deleted\n", 0);
	unlink("/tmp/gone");
	must(open("/mnt/tmpfs/inside", O_CREAT | O_RDWR, 0600), "tmpfs");
	must(open("/mnt/bind/er", O_RDONLY | O_DIRECTORY), "bind");
	must(open("/dev/null", O_RDWR), "null");
	must(open("/proc/self/status", O_RDONLY), "procfs");
	must(pipe(pipes), "pipe");
	eventfd_ = (int)must(eventfd(3, 0), "eventfd");
	epoll = (int)must(epoll_create1(0), "epoll");
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd_, &event), "epoll_ctl");
	must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd");
	must(memfd_create("a-memfd", 0), "memfd");
}

static int bound(int family, int type, const void *where, socklen_t len)
{
	int fd = (int)must(socket(family, type, 0), "socket");

	must(bind(fd, where, len), "bind");
	if (type == SOCK_STREAM)
		must(listen(fd, 5), "listen");
	return fd;
}

static void open_inet_sockets(void)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(7001) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(7002),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int client;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int server = bound(AF_INET, SOCK_STREAM, &v4, sizeof(v4));

	client = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(client, (void *)&v4, sizeof(v4)), "connect");
	must(accept(server, NULL, NULL), "accept");
	v4.sin_port = htons(7003);
	bound(AF_INET, SOCK_DGRAM, &v4, sizeof(v4));
	v4.sin_port = htons(7004);
	client = (int)must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	must(connect(client, (void *)&v4, sizeof(v4)), "connect");

	/* A kernel without IPv6 is no fault of the guest's. */
	if (access("/proc/net/tcp6", F_OK) != 0)
		return;
	server = bound(AF_INET6, SOCK_STREAM, &v6, sizeof(v6));
	client = (int)must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
	must(connect(client, (void *)&v6, sizeof(v6)), "connect6");
	must(accept(server, NULL, NULL), "accept6");
	v6.sin6_port = htons(7005);
	bound(AF_INET6, SOCK_DGRAM, &v6, sizeof(v6));
}

static void open_unix_sockets(void)
{
	struct sockaddr_un named = { .sun_family = AF_UNIX,
				     .sun_path = "/tmp/named.socket" };
	struct sockaddr_un hidden = { .sun_family = AF_UNIX,
				      .sun_path = "\0abstract" };
	struct sockaddr_nl link = { .nl_family = AF_NETLINK };
	int pair[2];
	int server = bound(AF_UNIX, SOCK_STREAM, &named, sizeof(named));
	int client = (int)must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");

	must(connect(client, (void *)&named, sizeof(named)), "connect");
	must(accept(server, NULL, NULL), "accept");
	bound(AF_UNIX, SOCK_DGRAM, &hidden,
	      offsetof(struct sockaddr_un, sun_path) + 9);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
	bound(AF_NETLINK, SOCK_RAW, &link, sizeof(link));
}

static void *map(size_t len, int prot, int flags, int fd)
{
	void *at = mmap(NULL, len, prot, flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void map_text(size_t pages, int flags, int fd, const char *text)
{
	memcpy(map(pages * PAGE, PROT_READ | PROT_WRITE, flags, fd), text,
	       strlen(text) + 1);
}

static void map_areas(void)
{
	int file = (int)must(open("/tmp/plain", O_RDWR), "plain");
	int memfd = (int)must(memfd_create("mapped-memfd", 0), "memfd");

	must(ftruncate(file, (off_t)(3 * PAGE)), "ftruncate");
	must(ftruncate(memfd, (off_t)(4 * PAGE)), "ftruncate");
	map(2 * PAGE, PROT_READ, MAP_PRIVATE, file);
	map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file);
	map_text(4, MAP_SHARED, memfd, "in a memfd");
	map_text(5, MAP_PRIVATE | MAP_ANONYMOUS, -1, "in anonymous memory");
	map_text(6, MAP_SHARED | MAP_ANONYMOUS, -1,
		 "in shared anonymous memory");
	map(7 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map(PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* The processes. */

struct thread {
	char name[16];
	int start;
};

static void *thread_body(void *arg)
{
	struct thread *thread = arg;

	name_process(thread->name);
	board->ready[thread->start] = 1;
	block();
	return NULL;
}

static void start_threads(void)
{
	static struct thread threads[] = {
		{ "thread-one", 0 },
		{ "thread-two", 0 },
		{ "thread-three", 0 },
		{ "(odd) thread )", 0 },
	};

	for (size_t i = 0; i < 4; i++) {
		pthread_t thread;

		threads[i].start = start_begin();
		if (pthread_create(&thread, NULL, thread_body, &threads[i]))
			die("pthread_create");
		start_wait(threads[i].start);
	}
}

static void idle(int n)
{
	(void)n;
}

static void parent(int n)
{
	(void)n;
	start(idle, "grandchild");
}

static void other_user(int n)
{
	(void)n;
	must(setsid(), "setsid");
	must(setresgid(1000, 1001, 1002), "setresgid");
	must(setresuid(1000, 1001, 1002), "setresuid");
}

static void many_files(int n)
{
	(void)n;
	for (int i = 0; i < MANY_FILES; i++)
		must(open("/dev/null", O_RDONLY), "null");
	/* Holes in the table of open files. */
	for (int fd = 20; fd < 200; fd += 7)
		close(fd);
}

/* Areas that can't be merged, so that their tree has more than one level. */
static void many_areas(int n)
{
	char *at = map((size_t)MANY_AREAS * PAGE, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1);

	(void)n;
	for (size_t i = 0; i < MANY_AREAS; i += 2)
		must(mprotect(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE),
		     "mprotect");
}

static void target(void)
{
	name_process("target");
	open_files();
	open_inet_sockets();
	open_unix_sockets();
	map_areas();
	start_threads();
	start(parent, "child");
	start(other_user, "other-user");
	if (must(fork(), "fork") == 0) {
		name_process("unreaped");
		_exit(7);
	}
	usleep(50000);
}

/** Run this program anew, so that it has arguments and an environment. */
static void exec_target(int n)
{
	char *const argv[] = { "target", "--colour", "blue and green",
			       "",	 "last",     NULL };
	char *const envp[] = { "PATH=/bin", "MICROVMI_COLOUR=blue",
			       "EMPTY=", NULL };

	board->target = n;
	must(chdir("/tmp/deep"), "chdir");
	execve("/bin/population", argv, envp);
	die("execve");
}

/* One on each CPU but the first, in user mode when the VM is stopped. */
static void spinner(int n)
{
	int cpu = __atomic_add_fetch(&board->cpu, 1, __ATOMIC_SEQ_CST);
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)cpu, &cpus);
	must(sched_setaffinity(0, sizeof(cpus), &cpus), "affinity");
	board->ready[n] = 1;
	while (!board->spin)
		usleep(1000);
	__atomic_add_fetch(&board->spinning, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("" ::: "memory");
}

/* Processes that come and go without end, for reads of a running guest. */
static void storm(int n)
{
	board->ready[n] = 1;
	while (!board->spin)
		usleep(1000);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			name_process("short-lived");
			close(open("/dev/null", O_RDONLY));
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

/* The truth: files, each "FILE length path\n" and its bytes. */

static char *truth;
static size_t truth_len;

static void put(const void *bytes, size_t len)
{
	if (len > TRUTH_MAX - truth_len)
		die("too much truth");
	memcpy(truth + truth_len, bytes, len);
	truth_len += len;
}

/* The header has a length of fixed width, filled in when it is known. */
static size_t file_begin(const char *name)
{
	char header[512];
	size_t at = truth_len;
	int len = snprintf(header, sizeof(header), "FILE %016x %s\n", 0, name);

	put(header, (size_t)len);
	return at;
}

static void file_end(size_t at)
{
	char digits[17];
	size_t body =
		at + (size_t)(strchr(truth + at, '\n') - (truth + at)) + 1;

	snprintf(digits, sizeof(digits), "%016zx", truth_len - body);
	memcpy(truth + at + 5, digits, 16);
}

static void put_file(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	size_t at;
	ssize_t got;

	if (fd < 0)
		return;
	at = file_begin(name);
	while (TRUTH_MAX - truth_len >= CHUNK &&
	       (got = read(fd, truth + truth_len, CHUNK)) > 0)
		truth_len += (size_t)got;
	file_end(at);
	close(fd);
}

/** A path made of parts; by value, for it outlives the next one. */
struct path {
	char text[600];
};

static __attribute__((format(printf, 1, 2))) struct path
path_of(const char *format, ...)
{
	struct path path;
	va_list args;

	va_start(args, format);
	vsnprintf(path.text, sizeof(path.text), format, args);
	va_end(args);
	return path;
}

/** Put "name<TAB>link" for each link in a folder. */
static void put_links(const char *folder, const char *name)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t at;

	if (!dir)
		return;
	at = file_begin(name);
	while ((entry = readdir(dir))) {
		char link[4200];
		ssize_t len =
			readlink(path_of("%s/%s", folder, entry->d_name).text,
				 link, sizeof(link) - 1);

		if (len < 0)
			continue;
		put(entry->d_name, strlen(entry->d_name));
		put("\t", 1);
		put(link, (size_t)len);
		put("\n", 1);
	}
	closedir(dir);
	file_end(at);
}

static void
put_folder(const char *folder, const char *name, const char *const *leaves)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!leaves)
			put_file(path_of("%s/%s", folder, entry->d_name).text,
				 path_of("%s/%s", name, entry->d_name).text);
		for (size_t i = 0; leaves && leaves[i]; i++)
			put_file(path_of("%s/%s/%s", folder, entry->d_name,
					 leaves[i])
					 .text,
				 path_of("%s/%s/%s", name, entry->d_name,
					 leaves[i])
					 .text);
	}
	closedir(dir);
}

static void put_process(const char *pid)
{
	static const char *const files[] = {
		"stat",	   "status",	"maps", "cmdline",
		"environ", "mountinfo", "auxv", "comm",
	};
	static const char *const thread_files[] = { "stat", "status", "comm",
						    NULL };
	char folder[32], name[32];

	snprintf(folder, sizeof(folder), "/proc/%.10s", pid);
	snprintf(name, sizeof(name), "proc/%.10s", pid);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		put_file(path_of("%s/%s", folder, files[i]).text,
			 path_of("%s/%s", name, files[i]).text);
	put_links(folder, path_of("%s/links", name).text); /* exe, cwd, root */
	put_links(path_of("%s/fd", folder).text, path_of("%s/fd", name).text);
	put_links(path_of("%s/ns", folder).text, path_of("%s/ns", name).text);
	put_folder(path_of("%s/fdinfo", folder).text,
		   path_of("%s/fdinfo", name).text, NULL);
	put_folder(path_of("%s/task", folder).text,
		   path_of("%s/task", name).text, thread_files);
}

static void put_kernel_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	size_t at;
	ssize_t got;

	if (fd < 0)
		return;
	at = file_begin("kmsg");
	for (;;) {
		got = read(fd, truth + truth_len, CHUNK);
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			break;
		truth_len += (size_t)got;
	}
	file_end(at);
	close(fd);
}

static void put_processes(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		die("/proc");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			put_process(entry->d_name);
	}
	closedir(dir);
}

static void put_system(int with_btf)
{
	static const char *const files[] = {
		"kallsyms",
		"modules",
		"mounts",
		"iomem",
		"version",
		"cmdline",
		"cpuinfo",
		"stat",
		"sys/kernel/ostype",
		"sys/kernel/osrelease",
		"sys/kernel/version",
		"sys/kernel/hostname",
		"sys/kernel/domainname",
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		put_file(path_of("/proc/%s", files[i]).text, files[i]);
	put_file("/proc/1/mountinfo", "mountinfo");
	put_folder("/proc/net", "net", NULL);
	put_file("/sys/kernel/notes", "notes");
	put_file("/sys/kernel/vmcoreinfo", "vmcoreinfo");
	if (with_btf) {
		put_file("/sys/kernel/btf/vmlinux", "btf/vmlinux");
		put_folder("/sys/kernel/btf", "btf", NULL);
	}
}

static uint64_t frame_of(int pagemap, const void *at)
{
	uint64_t entry = 0;

	if (pread(pagemap, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) != 8 ||
	    !(entry >> 63))
		die("pagemap");
	return entry & (((uint64_t)1 << 55) - 1);
}

/**
 * Write the list of the truth's pages: pages of 512 numbers, the first the
 * frame of the next such page (0: none), then frames of the truth's pages.
 */
static uint64_t write_index(void)
{
	size_t pages = (truth_len + PAGE - 1) / PAGE;
	size_t lists = (pages + 510) / 511;
	uint64_t *index = map(lists * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	int pagemap =
		(int)must(open("/proc/self/pagemap", O_RDONLY), "pagemap");
	uint64_t first;

	memset(index, 0, lists * PAGE);
	for (size_t i = 0; i < pages; i++)
		index[i / 511 * 512 + 1 + i % 511] =
			frame_of(pagemap, truth + i * PAGE);
	for (size_t i = 0; i + 1 < lists; i++)
		index[i * 512] = frame_of(pagemap, index + (i + 1) * 512);
	first = frame_of(pagemap, index);
	close(pagemap);
	return first * PAGE;
}

static uint32_t checksum(void)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < truth_len; i++) {
		a = (a + (unsigned char)truth[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

/* What differs from one boot to the next, last: when all else is said. */
static void put_moving(int spinners)
{
	board->spin = 1;
	while (board->spinning < spinners)
		usleep(1000);
	for (int i = 1; i <= spinners; i++)
		put_file(path_of("/proc/%d/stat", (int)board->spinner[i]).text,
			 path_of("spinner/%d", i).text);
	put_kernel_log();
	put_file("/proc/uptime", "uptime");
}

static long read_start(const char *path, char *buf, size_t len)
{
	int fd = (int)must(open(path, O_RDONLY), path);
	ssize_t got = must(read(fd, buf, len), path);

	close(fd);
	return got;
}

static void tell_truth(int spinners, int with_btf, const char *words)
{
	char version[512];
	int console;
	uint64_t index;

	name_process("truth");
	put_system(with_btf);
	put_processes();
	put_moving(spinners);
	index = write_index();
	version[must(read_start("/proc/version", version, sizeof(version) - 1),
		     "version")] = '\0';
	console = (int)must(open("/dev/console", O_WRONLY), "console");
	dprintf(console,
		"MICROVMI-READY mode=truth %struth=0x%llx length=%zu "
		"adler=0x%08x banner=%s",
		words, (unsigned long long)index, truth_len,
		(unsigned int)checksum(), version);
	close(console);
	block();
}

static int number_of(const char *word, int otherwise)
{
	const char *value = getenv(word);

	return value ? (int)strtol(value, NULL, 10) : otherwise;
}

static void start_population(int spinners)
{
	start(exec_target, "target");
	start(idle, "odd (name) ) x");
	start(many_files, "many-files");
	start(many_areas, "many-areas");
	for (int n = number_of("MICROVMI_EXTRA", 0); n > 0; n--)
		start(idle, "one-of-many");
	for (int i = 1; i <= spinners; i++)
		board->spinner[i] = start(spinner, "spinner");
	for (int n = number_of("MICROVMI_STORM", 0); n > 0; n--)
		start(storm, "storm");
}

/* The board is shared with programs that were run anew by its number. */
static void find_board(void)
{
	if (fcntl(BOARD_FD, F_GETFD) < 0) {
		int fresh = (int)must(memfd_create("board", 0), "memfd");

		must(ftruncate(fresh, (off_t)BOARD), "ftruncate");
		must(dup2(fresh, BOARD_FD), "dup2");
		close(fresh);
	}
	board = map(BOARD, PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD);
}

int main(int argc, char **argv)
{
	int spinners = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;

	(void)argc;
	find_board();
	if (strcmp(argv[0], "target") == 0) {
		target();
		board->ready[board->target] = 1;
		block();
	}
	if (spinners > SPINNERS)
		spinners = SPINNERS;
	start_population(spinners);
	truth = map(TRUTH_MAX, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (must(fork(), "fork") == 0)
		tell_truth(spinners, number_of("MICROVMI_BTF", 0),
			   getenv("MICROVMI_WORDS") ? getenv("MICROVMI_WORDS")
						    : "");
	block();
}
