/* SPDX-License-Identifier: MIT */
/*
 * Sockets, by the descriptors that hold them: what no process has open, as the
 * kernel's own, is not seen.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/inet.h"
#include "os/linux/files.h"
#include "os/linux/listing.h"
#include "os/linux/path.h"
#include "os/linux/tasks.h"
#include "os/linux/text.h"
#include "os/set.h"

/** S_IFSOCK of S_IFMT. */
#define MODE_TYPE   0170000u
#define MODE_SOCKET 0140000u
/** Longest address of a unix socket, struct sockaddr_un. */
#define UNIX_LEN_MAX 110
/** Descriptors of all processes together. */
#define VISITED_MAX ((uint64_t)1 << 23)
/** Longest name of a protocol, with its NUL. */
#define PROTOCOL_MAX 33

/** Address families (include/linux/socket.h). */
enum {
	FAMILY_UNIX = 1,
	FAMILY_INET = 2,
	FAMILY_INET6 = 10,
	FAMILY_NETLINK = 16,
	FAMILY_PACKET = 17,
	FAMILY_VSOCK = 40,
};

enum {
	SOCKET_TYPE,
	SOCKET_FILE,
	SOCKET_SOCK,
	SOCKET_FIELDS
};

static const char *const socket_paths[SOCKET_FIELDS] = {
	[SOCKET_TYPE] = "type",
	[SOCKET_FILE] = "file",
	[SOCKET_SOCK] = "sk",
};

static const struct shape_spec socket_spec = { "socket", socket_paths,
					       SOCKET_FIELDS };

enum {
	SOCK_FAMILY,
	SOCK_STATE,
	SOCK_PROTOCOL,
	SOCK_PORT,
	SOCK_REMOTE_PORT,
	SOCK_ADDRESS,
	SOCK_REMOTE_ADDRESS,
	SOCK_ADDRESS6,
	SOCK_REMOTE_ADDRESS6,
	SOCK_FIELDS,
};

static const char *const sock_paths[SOCK_FIELDS] = {
	[SOCK_FAMILY] = "__sk_common.skc_family",
	[SOCK_STATE] = "__sk_common.skc_state",
	[SOCK_PROTOCOL] = "__sk_common.skc_prot",
	[SOCK_PORT] = "__sk_common.skc_num",
	[SOCK_REMOTE_PORT] = "__sk_common.skc_dport",
	[SOCK_ADDRESS] = "__sk_common.skc_rcv_saddr",
	[SOCK_REMOTE_ADDRESS] = "__sk_common.skc_daddr",
	[SOCK_ADDRESS6] = "?__sk_common.skc_v6_rcv_saddr",
	[SOCK_REMOTE_ADDRESS6] = "?__sk_common.skc_v6_daddr",
};

static const struct shape_spec sock_spec = { "sock", sock_paths, SOCK_FIELDS };

enum {
	PROTO_NAME,
	PROTO_FIELDS
};

static const char *const proto_paths[PROTO_FIELDS] = { [PROTO_NAME] = "name" };

static const struct shape_spec proto_spec = { "proto", proto_paths,
					      PROTO_FIELDS };

enum {
	UNIX_ADDRESS,
	UNIX_PEER,
	UNIX_FIELDS
};

static const char *const unix_paths[UNIX_FIELDS] = {
	[UNIX_ADDRESS] = "addr",
	[UNIX_PEER] = "peer",
};

static const struct shape_spec unix_spec = { "unix_sock", unix_paths,
					     UNIX_FIELDS };

enum {
	NETLINK_PORT,
	NETLINK_REMOTE_PORT,
	NETLINK_FIELDS
};

static const char *const netlink_paths[NETLINK_FIELDS] = {
	[NETLINK_PORT] = "portid",
	[NETLINK_REMOTE_PORT] = "dst_portid",
};

static const struct shape_spec netlink_spec = { "netlink_sock", netlink_paths,
						NETLINK_FIELDS };

/** What there is to look at, and the sockets that were seen already. */
struct socket_walk {
	struct listing listing;
	uint64_t pid;	  /**< whose descriptors are looked at */
	struct set seen;  /**< of struct sock */
	uint64_t visited; /**< descriptors so far */
};

static const char *family_name(uint64_t family)
{
	static const char *const names[] = {
		[1] = "unix",	     [2] = "inet",	[3] = "ax25",
		[4] = "ipx",	     [5] = "appletalk", [9] = "x25",
		[10] = "inet6",	     [15] = "key",	[16] = "netlink",
		[17] = "packet",     [21] = "rds",	[24] = "pppox",
		[26] = "llc",	     [29] = "can",	[30] = "tipc",
		[31] = "bluetooth",  [33] = "rxrpc",	[35] = "phonet",
		[36] = "ieee802154", [38] = "alg",	[39] = "nfc",
		[40] = "vsock",	     [41] = "kcm",	[42] = "qipcrtr",
		[43] = "smc",	     [44] = "xdp",	[45] = "mctp",
	};

	return family < ARRAY_LEN(names) && names[family] ? names[family] : "";
}

static const char *type_name(uint64_t type)
{
	static const char *const names[] = {
		[1] = "stream",	   [2] = "dgram", [3] = "raw",	   [4] = "rdm",
		[5] = "seqpacket", [6] = "dccp",  [10] = "packet",
	};

	return type < ARRAY_LEN(names) && names[type] ? names[type] : "";
}

/** In ss(8)'s words, but for ESTAB. Other families count otherwise. */
static const char *state_name(uint64_t family, uint64_t state)
{
	static const char *const names[] = {
		[1] = "ESTABLISHED", [2] = "SYN-SENT",	 [3] = "SYN-RECV",
		[4] = "FIN-WAIT-1",  [5] = "FIN-WAIT-2", [6] = "TIME-WAIT",
		[7] = "UNCONN",	     [8] = "CLOSE-WAIT", [9] = "LAST-ACK",
		[10] = "LISTEN",     [11] = "CLOSING",	 [12] = "SYN-RECV",
		[13] = "BOUND",
	};

	if (family != FAMILY_UNIX && family != FAMILY_INET &&
	    family != FAMILY_INET6 && family != FAMILY_NETLINK &&
	    family != FAMILY_PACKET && family != FAMILY_VSOCK)
		return "";
	return state < ARRAY_LEN(names) && names[state] ? names[state] : "";
}

static enum mvmi_status prepare(struct linux_os *guest, struct mvmi_error *err)
{
	const struct mvmi_types *types = guest->os.types;
	enum mvmi_status status = path_prepare(guest, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.socket, &socket_spec,
				       types, err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.sock, &sock_spec, types,
				       err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.proto, &proto_spec, types,
				       err);
	return status;
}

/** Tell an end of an internet socket; one with neither address nor port: "". */
static void
describe_inet(struct list *list, const struct object *sock, size_t member,
	      uint32_t port, struct mvmi_endpoint *ret)
{
	static const uint8_t zeros[16];
	struct mvmi_bytes addr = object_bytes(sock, member);
	char text[INET_TEXT_MAX] = "";
	bool is_remote =
		member == SOCK_REMOTE_ADDRESS || member == SOCK_REMOTE_ADDRESS6;

	ret->port = port;
	if (is_remote && port == 0 && addr.len <= sizeof(zeros) &&
	    (addr.len == 0 || memcmp(addr.ptr, zeros, addr.len) == 0))
		return;
	if (addr.len == 4)
		inet_spell4(addr.ptr, text);
	else if (addr.len == 16)
		inet_spell6(addr.ptr, text);
	ret->address = list_string(list, text, strlen(text));
}

/** Spell a unix socket's name as /proc/net/unix does: '@' stands for NUL. */
static enum mvmi_status
describe_unix_name(struct linux_os *guest, struct list *list, mvmi_gva address,
		   struct mvmi_endpoint *ret, struct mvmi_error *err)
{
	struct mvmi_field len, name, path;
	uint8_t bytes[UNIX_LEN_MAX];
	const struct mvmi_types *types = guest->os.types;
	uint64_t n;
	enum mvmi_status status =
		mvmi_types_field(types, "unix_address", "len", &len, err);

	/* A flexible array: it has no size that a shape could take. */
	if (status == MVMI_OK)
		status = mvmi_types_field(types, "unix_address", "name", &name,
					  err);
	if (status == MVMI_OK)
		status = mvmi_types_field(types, "sockaddr_un", "sun_path",
					  &path, err);
	if (status == MVMI_OK)
		status = mvmi_space_read_u64(
			guest->os.space, mvmi_gva_at(address.val + len.offset),
			&n, err);
	if (status != MVMI_OK)
		return status;
	n &= UINT32_MAX;
	if (n > sizeof(bytes) || n < path.offset)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a unix socket's name has %" PRIu64 " bytes", n);
	n -= path.offset;
	status = mvmi_space_read(
		guest->os.space,
		mvmi_gva_at(address.val + name.offset + path.offset),
		(struct mvmi_span){ bytes, (size_t)n }, err);
	if (status != MVMI_OK)
		return status;
	/* A name in the file system ends in a NUL, which counts. */
	if (n && bytes[0] && !bytes[n - 1])
		n--;
	for (size_t i = 0; i < n; i++)
		if (!bytes[i])
			bytes[i] = '@';
	ret->address = list_string(list, (const char *)bytes, (size_t)n);
	return MVMI_OK;
}

static enum mvmi_status
describe_unix(struct linux_os *guest, struct list *list, mvmi_gva sock,
	      struct mvmi_socket *ret, struct mvmi_error *err)
{
	struct shape *shape = &guest->shapes.unix_sock;
	struct object object;
	mvmi_gva peer, name;
	enum mvmi_status status =
		shape_resolve(shape, &unix_spec, guest->os.types, err);

	if (status == MVMI_OK)
		status =
			object_read(&object, guest->os.space, shape, sock, err);
	if (status != MVMI_OK)
		return status;
	name = object_gva(&object, UNIX_ADDRESS);
	peer = object_gva(&object, UNIX_PEER);
	if (name.val)
		status =
			describe_unix_name(guest, list, name, &ret->local, err);
	if (status == MVMI_OK && peer.val)
		status =
			object_read(&object, guest->os.space, shape, peer, err);
	if (status != MVMI_OK || !peer.val)
		return status;
	name = object_gva(&object, UNIX_ADDRESS);
	return name.val ? describe_unix_name(guest, list, name, &ret->remote,
					     err)
			: MVMI_OK;
}

static enum mvmi_status
describe_netlink(struct linux_os *guest, mvmi_gva sock, struct mvmi_socket *ret,
		 struct mvmi_error *err)
{
	struct shape *shape = &guest->shapes.netlink_sock;
	struct object object;
	enum mvmi_status status =
		shape_resolve(shape, &netlink_spec, guest->os.types, err);

	if (status == MVMI_OK)
		status =
			object_read(&object, guest->os.space, shape, sock, err);
	if (status != MVMI_OK)
		return status;
	ret->local.port = (uint32_t)object_u64(&object, NETLINK_PORT);
	ret->remote.port = (uint32_t)object_u64(&object, NETLINK_REMOTE_PORT);
	return MVMI_OK;
}

static enum mvmi_status
describe_ends(struct linux_os *guest, struct list *list,
	      const struct object *sock, struct mvmi_socket *ret,
	      struct mvmi_error *err)
{
	uint64_t family = object_u64(sock, SOCK_FAMILY);
	uint32_t port = (uint32_t)object_u64(sock, SOCK_PORT);
	uint32_t remote = (uint32_t)object_u64(sock, SOCK_REMOTE_PORT);
	bool is_v6 = family == FAMILY_INET6;

	/* It is in network order. */
	remote = (remote >> 8 | remote << 8) & UINT16_MAX;
	switch (family) {
	case FAMILY_INET:
	case FAMILY_INET6:
		describe_inet(list, sock, is_v6 ? SOCK_ADDRESS6 : SOCK_ADDRESS,
			      port, &ret->local);
		describe_inet(list, sock,
			      is_v6 ? SOCK_REMOTE_ADDRESS6
				    : SOCK_REMOTE_ADDRESS,
			      remote, &ret->remote);
		return MVMI_OK;
	case FAMILY_UNIX:
		return describe_unix(guest, list, sock->gva, ret, err);
	case FAMILY_NETLINK:
		return describe_netlink(guest, sock->gva, ret, err);
	default:
		return MVMI_OK;
	}
}

static enum mvmi_status
describe(struct linux_os *guest, struct list *list, const struct object *sock,
	 struct mvmi_socket *ret, struct mvmi_error *err)
{
	uint64_t family = object_u64(sock, SOCK_FAMILY);
	char name[PROTOCOL_MAX];
	struct object proto;
	enum mvmi_status status;

	ret->family = family_name(family);
	if (!ret->family[0])
		ret->family = list_format(list, "%" PRIu64, family);
	ret->state = state_name(family, object_u64(sock, SOCK_STATE));
	status = object_read(&proto, guest->os.space, &guest->shapes.proto,
			     object_gva(sock, SOCK_PROTOCOL), err);
	if (status != MVMI_OK)
		return status;
	text_of_bytes(object_bytes(&proto, PROTO_NAME), name, sizeof(name));
	ret->protocol = list_string(list, name, strlen(name));
	return describe_ends(guest, list, sock, ret, err);
}

/**
 * Add a socket. What hangs on it and can't be read makes a doubt, not a
 * failure: the socket is there.
 */
static enum mvmi_status
add_socket(struct socket_walk *w, const struct files_entry *entry,
	   const struct object *socket, uint64_t inode, struct mvmi_error *err)
{
	struct linux_os *guest = w->listing.guest;
	struct list *list = &w->listing.list;
	mvmi_gva at = object_gva(socket, SOCKET_SOCK);
	struct mvmi_socket *record;
	struct mvmi_error why;
	struct object sock;
	bool is_new;
	enum mvmi_status status = set_add(&w->seen, at.val, &is_new, err);

	if (status != MVMI_OK || !is_new)
		return status;
	record = list_add(list, sizeof(*record));
	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	*record = (struct mvmi_socket){
		.process_id = w->pid,
		.handle = entry->fd,
		.inode = inode,
		.family = "",
		.protocol = "",
		.type = type_name(object_u64(socket, SOCKET_TYPE)),
		.state = "",
		.local.address = "",
		.remote.address = "",
		.object = at,
	};
	status = object_read(&sock, guest->os.space, &guest->shapes.sock, at,
			     &why);
	if (status == MVMI_OK)
		status = describe(guest, list, &sock, record, &why);
	if (status != MVMI_OK)
		return listing_doubt(&w->listing, &why, err,
				     "descriptor %" PRIu64 " of %" PRIu64,
				     entry->fd, w->pid);
	return MVMI_OK;
}

/** Look at a descriptor; those of other files are passed over. */
static enum mvmi_status
visit_file(const struct files_entry *entry, void *arg, struct mvmi_error *err)
{
	struct socket_walk *w = arg;
	struct linux_os *guest = w->listing.guest;
	struct object file, inode, socket;
	enum mvmi_status status;

	if (++w->visited > VISITED_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "all processes together have over %" PRIu64
			    " descriptors",
			    VISITED_MAX);
	status = object_read(&file, guest->os.space, &guest->shapes.file,
			     entry->file, err);

	if (status == MVMI_OK)
		status = object_read(&inode, guest->os.space,
				     &guest->shapes.inode,
				     object_gva(&file, FILE_INODE), err);
	/* A socket's name in the file system can be opened by O_PATH. */
	if (status != MVMI_OK || !object_u64(&file, FILE_PRIVATE) ||
	    (object_u64(&inode, INODE_MODE) & MODE_TYPE) != MODE_SOCKET)
		return status;
	status = object_read(&socket, guest->os.space, &guest->shapes.socket,
			     object_gva(&file, FILE_PRIVATE), err);
	if (status != MVMI_OK ||
	    object_u64(&socket, SOCKET_FILE) != entry->file.val ||
	    !object_u64(&socket, SOCKET_SOCK))
		return status;
	return add_socket(w, entry, &socket, object_u64(&inode, INODE_NUMBER),
			  err);
}

static enum mvmi_status
visit_task(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct socket_walk *w = arg;
	struct mvmi_error why;
	enum mvmi_status status;

	w->pid = object_u64(task, TASK_PID);
	status = files_walk(w->listing.guest, task, visit_file, w, &why);
	/* One process that ends, or lies, does not hide the others. */
	if (tasks_torn(status) && w->visited <= VISITED_MAX &&
	    w->listing.doubts < LISTING_DOUBTS_MAX &&
	    w->listing.list.failed == MVMI_OK)
		return listing_doubt(&w->listing, &why, err,
				     "files of %" PRIu64, w->pid);
	if (status != MVMI_OK && err)
		*err = why;
	return status;
}

static enum mvmi_status list_once(struct listing *l, struct mvmi_error *err)
{
	struct socket_walk *w = container_of(l, struct socket_walk, listing);
	struct object task;
	enum mvmi_status status = prepare(l->guest, err);

	set_fini(&w->seen);
	w->visited = 0;
	if (status != MVMI_OK)
		return status;
	if (l->pid == MVMI_OS_ALL)
		return tasks_walk(l->guest, false, visit_task, w, err);
	w->pid = l->pid;
	status = task_find(l->guest, l->pid, &task, err);
	if (status == MVMI_OK)
		status = files_walk(l->guest, &task, visit_file, w, err);
	return status;
}

enum mvmi_status
linux_list_sockets(struct mvmi_os *os, uint64_t pid,
		   const struct mvmi_socket_list **ret, struct mvmi_error *err)
{
	struct socket_walk w = { .listing = { .guest = linux_of(os),
					      .pid = pid } };
	enum mvmi_status status = listing_make(
		&w.listing, list_once, sizeof(**ret), (const void **)ret, err);

	set_fini(&w.seen);
	return status;
}
