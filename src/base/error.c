/* SPDX-License-Identifier: MIT */
#define ERROR_IS_DEFINED_HERE
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static const char *const status_names[] = {
	[MVMI_OK] = "ok",
	[MVMI_ERR_NOMEM] = "out of memory",
	[MVMI_ERR_INVALID] = "invalid argument",
	[MVMI_ERR_UNSUPPORTED] = "unsupported",
	[MVMI_ERR_FAULT] = "fault",
	[MVMI_ERR_NOT_PRESENT] = "not present",
	[MVMI_ERR_SYSTEM] = "system error",
	[MVMI_ERR_TIMEOUT] = "timeout",
	[MVMI_ERR_BUSY] = "busy",
	[MVMI_ERR_STALE] = "stale",
	[MVMI_ERR_GONE] = "gone",
	[MVMI_ERR_DENIED] = "denied",
	[MVMI_ERR_LIMIT] = "limit reached",
	[MVMI_ERR_CORRUPT] = "corrupt",
};

const char *mvmi_status_name(enum mvmi_status status)
{
	size_t i = (size_t)status;

	return i < ARRAY_LEN(status_names) ? status_names[i] : "unknown";
}

enum mvmi_status
fail(struct mvmi_error *err, enum mvmi_status status, const char *fmt, ...)
{
	assert(status != MVMI_OK);
	if (err) {
		va_list ap;

		*err = (struct mvmi_error){ .status = status };
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return status;
}

static enum mvmi_status status_of_errno(int sys)
{
	switch (sys) {
	case EACCES:
	case EPERM:
		return MVMI_ERR_DENIED;
	case ENOMEM:
		return MVMI_ERR_NOMEM;
	case ESRCH:
		return MVMI_ERR_GONE;
	default:
		return MVMI_ERR_SYSTEM;
	}
}

enum mvmi_status fail_sys(struct mvmi_error *err, int sys, const char *fmt, ...)
{
	enum mvmi_status status = status_of_errno(sys);

	if (err) {
		va_list ap;
		size_t len;

		*err = (struct mvmi_error){ .status = status, .sys = sys };
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		len = strlen(err->msg);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
			       strerror(sys));
	}
	return status;
}

enum mvmi_status fail_fault(struct mvmi_error *err, uint64_t addr)
{
	(void)fail(err, MVMI_ERR_FAULT,
		   "no memory at guest-physical 0x%" PRIx64, addr);
	if (err)
		err->addr = addr;
	return MVMI_ERR_FAULT;
}

enum mvmi_status
fail_walk(struct mvmi_error *err, uint64_t addr, const char *fmt, ...)
{
	if (err) {
		va_list ap;

		*err = (struct mvmi_error){
			.status = MVMI_ERR_NOT_PRESENT,
			.addr = addr,
		};
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return MVMI_ERR_NOT_PRESENT;
}

enum mvmi_status fail_context(struct mvmi_error *err, enum mvmi_status status,
			      const char *fmt, ...)
{
	if (err && status != MVMI_OK) {
		char inner[sizeof(err->msg)];
		va_list ap;
		size_t len;

		memcpy(inner, err->msg, sizeof(inner));
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		len = strlen(err->msg);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
			       inner);
	}
	return status;
}
