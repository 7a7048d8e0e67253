/* SPDX-License-Identifier: MIT */
#include "drivers/qemu/stub.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"

#define STUB_CHARDEV "microvmi-gdb"

/* Bytes of memory in one packet: two digits each, and a head. */
#define STUB_WRITE_MAX ((STUB_PACKET_MAX - 64) / 2)

/* What may come before an answer: acknowledgements and stop replies. */
#define STUB_NOISE_MAX 16

/** Was it left behind by a client of ours that was killed? */
static bool stub_is_dead(const json_t *chardev)
{
	const char *filename =
		json_string_value(json_object_get(chardev, "filename"));

	return filename && strncmp(filename, "disconnected:", 13) == 0;
}

/** Let QEMU end the stub, and what carried it. */
static void stub_remove(struct qmp *q)
{
	char *text = NULL;

	(void)qmp_hmp(q, "gdbserver none", &text, NULL);
	free(text);
	/* Gone with the stub, unless that never got it. */
	(void)qmp_call(q, "chardev-remove",
		       json_pack("{s:s}", "id", STUB_CHARDEV), NULL, NULL);
}

bool stub_is_free(struct qmp *q)
{
	json_t *chardevs;
	json_t *chardev;
	bool taken = false;
	bool dead = false;
	size_t i;

	if (qmp_call(q, "query-chardev", NULL, &chardevs, NULL) != MVMI_OK)
		return false;
	json_array_foreach(chardevs, i, chardev)
	{
		const char *label =
			json_string_value(json_object_get(chardev, "label"));

		/* "gdb" is what -s, -gdb and `gdbserver` make. */
		taken |= !label || strcmp(label, "gdb") == 0;
		if (label && strcmp(label, STUB_CHARDEV) == 0) {
			if (stub_is_dead(chardev))
				dead = true;
			else
				taken = true;
		}
	}
	json_decref(chardevs);
	if (dead && !taken)
		stub_remove(q);
	return !taken;
}

static enum mvmi_status stub_send(struct stub *stub, const char *text,
				  size_t len, struct mvmi_error *err)
{
	while (len) {
		ssize_t n = send(stub->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(err, MVMI_ERR_SYSTEM,
				    "QEMU closed its gdb stub");
		text += n;
		len -= (size_t)n;
	}
	return MVMI_OK;
}

static enum mvmi_status stub_byte(struct stub *stub, uint64_t deadline_ms,
				  char *ret, struct mvmi_error *err)
{
	for (;;) {
		struct pollfd pfd = { .fd = stub->fd, .events = POLLIN };
		uint64_t now = clock_ms();
		ssize_t n = recv(stub->fd, ret, 1, MSG_DONTWAIT);

		if (n == 1)
			return MVMI_OK;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return fail(err, MVMI_ERR_SYSTEM,
				    "QEMU closed its gdb stub");
		if (now >= deadline_ms)
			return fail(err, MVMI_ERR_TIMEOUT,
				    "QEMU's gdb stub does not answer");
		(void)poll(&pfd, 1, (int)(deadline_ms - now));
	}
}

/** Receive "$text#xx"; what stands before '$' is acknowledgements. */
static enum mvmi_status
stub_packet(struct stub *stub, char *buf, size_t size, struct mvmi_error *err)
{
	uint64_t deadline_ms = clock_ms() + stub->timeout_ms;
	enum mvmi_status status;
	size_t len = 0;
	char c;

	do {
		status = stub_byte(stub, deadline_ms, &c, err);
	} while (status == MVMI_OK && c != '$');
	while (status == MVMI_OK) {
		status = stub_byte(stub, deadline_ms, &c, err);
		if (status == MVMI_OK && c == '#')
			break;
		if (len + 1 < size)
			buf[len++] = c;
	}
	buf[len] = '\0';
	for (int i = 0; i < 2 && status == MVMI_OK; i++)
		status = stub_byte(stub, deadline_ms, &c, err);
	return status == MVMI_OK ? stub_send(stub, "+", 1, err) : status;
}

/** Send a packet; its answer, cut to size, is in ret. */
static enum mvmi_status stub_ask(struct stub *stub, const char *text, char *ret,
				 size_t size, struct mvmi_error *err)
{
	char packet[STUB_PACKET_MAX + 8];
	uint8_t sum = 0;
	enum mvmi_status status;
	int n;

	for (const char *c = text; *c; c++)
		sum = (uint8_t)(sum + (uint8_t)*c);
	n = snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	status = stub_send(stub, packet, (size_t)n, err);
	for (int i = 0; status == MVMI_OK && i < STUB_NOISE_MAX; i++) {
		status = stub_packet(stub, ret, size, err);
		/* QEMU 7 tells unasked that the VM stands still. */
		if (status == MVMI_OK && *ret != 'T' && *ret != 'S')
			return MVMI_OK;
	}
	return status == MVMI_OK ? fail(err, MVMI_ERR_CORRUPT,
					"QEMU's gdb stub does not answer")
				 : status;
}

/** As stub_ask(), for what is answered by OK. */
static enum mvmi_status
stub_tell(struct stub *stub, const char *text, struct mvmi_error *err)
{
	char answer[16];
	enum mvmi_status status =
		stub_ask(stub, text, answer, sizeof(answer), err);

	if (status == MVMI_OK && strcmp(answer, "OK") != 0)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "QEMU's gdb stub refused %.20s: \"%s\"", text,
			    answer);
	return status;
}

/** Give QEMU one end of a socket pair, as a character device. */
static enum mvmi_status
stub_add_chardev(struct qmp *q, int fd, struct mvmi_error *err)
{
	enum mvmi_status status = qmp_call_fd(
		q, "getfd", json_pack("{s:s}", "fdname", STUB_CHARDEV), fd,
		NULL, err);

	if (status != MVMI_OK)
		return status;
	status = qmp_call(q, "chardev-add",
			  json_pack("{s:s, s:{s:s, s:{s:{s:s, s:{s:s}}, s:b}}}",
				    "id", STUB_CHARDEV, "backend", "type",
				    "socket", "data", "addr", "type", "fd",
				    "data", "str", STUB_CHARDEV, "server", 0),
			  NULL, err);
	if (status != MVMI_OK)
		(void)qmp_call(q, "closefd",
			       json_pack("{s:s}", "fdname", STUB_CHARDEV), NULL,
			       NULL);
	return status;
}

static enum mvmi_status stub_start(struct qmp *q, struct mvmi_error *err)
{
	char *text;
	enum mvmi_status status =
		qmp_hmp(q, "gdbserver chardev:" STUB_CHARDEV, &text, err);

	if (status != MVMI_OK)
		return status;
	/* The human monitor has no other way to say that it failed. */
	if (strncmp(text, "Waiting for gdb connection", 26) != 0)
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "QEMU starts no gdb stub: %.100s", text);
	free(text);
	return status;
}

static enum mvmi_status stub_greet(struct stub *stub, struct mvmi_error *err)
{
	char answer[STUB_PACKET_MAX];
	/* Registers can be written by number only once this was read. */
	enum mvmi_status status =
		stub_ask(stub, "qXfer:features:read:target.xml:0,ffb", answer,
			 sizeof(answer), err);

	return status == MVMI_OK ? stub_tell(stub, "Qqemu.PhyMemMode:1", err)
				 : status;
}

enum mvmi_status
stub_open(struct stub *stub, struct qmp *q, struct mvmi_error *err)
{
	enum mvmi_status status;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_sys(err, errno, "no socket for the gdb stub");
	status = stub_add_chardev(q, pair[1], err);
	(void)close(pair[1]);
	if (status != MVMI_OK) {
		(void)close(pair[0]);
		return status;
	}
	stub->fd = pair[0];
	stub->timeout_ms = q->timeout_ms;
	status = stub_start(q, err);
	if (status == MVMI_OK)
		status = stub_greet(stub, err);
	if (status != MVMI_OK)
		stub_close(stub, q);
	return status;
}

void stub_close(struct stub *stub, struct qmp *q)
{
	if (stub->fd < 0)
		return;
	stub_remove(q);
	(void)close(stub->fd);
	stub->fd = -1;
}

/** Hexadecimal digits of src at to, which has room. */
static void stub_hex(char *to, struct mvmi_bytes src)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < src.len; i++) {
		*to++ = digits[src.ptr[i] >> 4];
		*to++ = digits[src.ptr[i] & 15];
	}
	*to = '\0';
}

enum mvmi_status
stub_write_memory(struct stub *stub, uint64_t gpa, struct mvmi_bytes src,
		  struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	while (src.len && status == MVMI_OK) {
		char packet[STUB_PACKET_MAX];
		struct mvmi_bytes piece = {
			src.ptr, MIN(src.len, (size_t)STUB_WRITE_MAX)
		};
		int n = snprintf(packet, sizeof(packet),
				 "M%" PRIx64 ",%zx:", gpa, piece.len);

		stub_hex(packet + n, piece);
		status = stub_tell(stub, packet, err);
		src.ptr += piece.len;
		src.len -= piece.len;
		gpa += piece.len;
	}
	return status;
}

enum mvmi_status
stub_select_vcpu(struct stub *stub, unsigned vcpu, struct mvmi_error *err)
{
	char packet[32];

	(void)snprintf(packet, sizeof(packet), "Hg%x", vcpu + 1);
	return stub_tell(stub, packet, err);
}

enum mvmi_status stub_write_reg(struct stub *stub, unsigned number,
				struct mvmi_bytes value, struct mvmi_error *err)
{
	char packet[64];
	int n = snprintf(packet, sizeof(packet), "P%x=", number);

	if (value.len > 16)
		return fail(err, MVMI_ERR_INVALID, "no register is that long");
	stub_hex(packet + n, value);
	return stub_tell(stub, packet, err);
}
