/* SPDX-License-Identifier: MIT */
#include "drivers/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "drivers/dump/dump.h"
#include "drivers/fault/fault.h"
#include "drivers/qemu/driver.h"
#include "drivers/record/record.h"
#include "drivers/replay/replay.h"
#include "drivers/target.h"

const struct mvmi_driver *const registry_drivers[] = {
	&dump_driver,
#ifdef __linux__
	&qemu_driver,
#endif
	&mock_driver, &fault_driver, &record_driver, &replay_driver, NULL,
};

static const struct mvmi_driver *find_by_scheme(const char *scheme)
{
	for (size_t i = 0; registry_drivers[i]; i++) {
		if (strcmp(registry_drivers[i]->name, scheme) == 0)
			return registry_drivers[i];
	}
	return NULL;
}

static const struct mvmi_driver *find_by_path(const char *path)
{
	for (size_t i = 0; registry_drivers[i]; i++) {
		if (registry_drivers[i]->claims &&
		    registry_drivers[i]->claims(path))
			return registry_drivers[i];
	}
	return NULL;
}

static void list_names(char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; registry_drivers[i] && len < size; i++) {
		int n = snprintf(buf + len, size - len, "%s%s", i ? ", " : "",
				 registry_drivers[i]->name);

		len += n > 0 ? (size_t)n : 0;
	}
}

static enum mvmi_status
check_options(const struct mvmi_driver *driver, const struct target *target,
	      struct mvmi_error *err)
{
	for (size_t i = 0; i < target->option_count; i++) {
		const char *const *key = driver->option_keys;

		while (key && *key && strcmp(*key, target->options[i].key) != 0)
			key++;
		if (!key || !*key)
			return fail(err, MVMI_ERR_INVALID,
				    "the %s driver has no option \"%s\"",
				    driver->name, target->options[i].key);
	}
	return MVMI_OK;
}

static enum mvmi_status
open_parsed(const struct mvmi_driver *driver, const struct target *target,
	    const struct mvmi_open_args *args, struct mvmi_conn **ret,
	    struct mvmi_error *err)
{
	struct mvmi_open_args full = *args;
	enum mvmi_status status;

	if (driver->abi != MVMI_DRIVER_ABI)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "driver %s has ABI %u, this library %u",
			    driver->name, (unsigned)driver->abi,
			    (unsigned)MVMI_DRIVER_ABI);
	status = check_options(driver, target, err);
	if (status != MVMI_OK)
		return status;
	full.where = target->where;
	full.options = target->options;
	full.option_count = target->option_count;
	return driver->open(&full, ret, err);
}

enum mvmi_status
registry_open(const char *target, const struct mvmi_open_args *args,
	      struct mvmi_conn **ret, struct mvmi_error *err)
{
	const struct mvmi_driver *driver;
	struct target parsed;
	char names[128];
	enum mvmi_status status = target_parse(target, &parsed, err);

	if (status != MVMI_OK)
		return status;
	driver = *parsed.scheme ? find_by_scheme(parsed.scheme)
				: find_by_path(parsed.where);
	list_names(names, sizeof(names));
	if (!driver && *parsed.scheme)
		return fail(err, MVMI_ERR_INVALID,
			    "no driver is called \"%s\"; there are: %s",
			    parsed.scheme, names);
	if (!driver)
		return fail(err, MVMI_ERR_INVALID,
			    "%s is neither a dump nor a QMP socket that can be "
			    "read; name the driver: %s",
			    target, names);
	return open_parsed(driver, &parsed, args, ret, err);
}

enum mvmi_status
registry_open_driver(const struct mvmi_driver *driver, const char *where,
		     const struct mvmi_open_args *args, struct mvmi_conn **ret,
		     struct mvmi_error *err)
{
	char string[TARGET_LEN_MAX];
	struct target target;
	enum mvmi_status status;
	int n = snprintf(string, sizeof(string), "%s:%s", driver->name, where);

	if (n < 0 || (size_t)n >= sizeof(string))
		return fail(err, MVMI_ERR_INVALID,
			    "the target is longer than %d bytes",
			    TARGET_LEN_MAX - 1);
	status = target_parse(string, &target, err);
	if (status != MVMI_OK)
		return status;
	return open_parsed(driver, &target, args, ret, err);
}
