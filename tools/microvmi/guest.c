/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diag.h"
#include "number.h"
#include "target.h"

static const char *profile_dir;
static int no_profile;
static const char *symbols_file;
static const char *types_file;
static int live;
static const char *pid_text;

struct poptOption guest_os_options[] = {
	{ "profile-dir", '\0', POPT_ARG_STRING, &profile_dir, 0,
	  "keep what is learnt of kernels here (default "
	  "~/.cache/microvmi/profiles)",
	  "DIR" },
	{ "no-profile", '\0', POPT_ARG_NONE, &no_profile, 0,
	  "keep nothing, and use nothing that was kept", NULL },
	{ "symbols", '\0', POPT_ARG_STRING, &symbols_file, 0,
	  "for a kernel without kallsyms: its System.map", "FILE" },
	{ "types", '\0', POPT_ARG_STRING, &types_file, 0,
	  "for a kernel without BTF: its vmlinux, BTF or ISF", "FILE" },
	POPT_TABLEEND,
};

struct poptOption guest_options[] = {
	{ "live", 'l', POPT_ARG_NONE, &live, 0,
	  "let the VM run meanwhile: things of different moments", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_os_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

struct poptOption guest_pid_options[] = {
	{ "pid", 'p', POPT_ARG_STRING, &pid_text, 0, "of this process", "N" },
	POPT_TABLEEND,
};

/** Make a folder if need be. @return whether it is there */
static bool make_folder(const char *path)
{
	return mkdir(path, S_IRWXU) == 0 || errno == EEXIST;
}

/**
 * The folder of profiles in the user's cache (XDG Base Directory 0.8); the
 * library makes the last one.
 *
 * @param buf  Where it is written.
 * @return NULL if the user has no such place.
 */
static const char *default_profile_dir(char *buf, size_t size)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char base[512];
	int n;

	if (cache && *cache == '/')
		n = snprintf(base, sizeof(base), "%s", cache);
	else if (home && *home == '/')
		n = snprintf(base, sizeof(base), "%s/.cache", home);
	else
		return NULL;
	if (n < 0 || (size_t)n >= sizeof(base) || !make_folder(base))
		return NULL;
	(void)snprintf(buf, size, "%s/microvmi", base);
	if (!make_folder(buf))
		return NULL;
	(void)snprintf(buf, size, "%s/microvmi/profiles", base);
	return buf;
}

enum mvmi_status
guest_find_os(struct mvmi_vm *vm, struct mvmi_os **ret, struct mvmi_error *err)
{
	char buf[600];
	struct mvmi_os_options options = {
		.size = sizeof(options),
		.profile_dir = profile_dir,
		.symbols_file = symbols_file,
		.types_file = types_file,
	};

	if (no_profile)
		options.profile_dir = NULL;
	else if (!profile_dir)
		options.profile_dir = default_profile_dir(buf, sizeof(buf));
	return mvmi_os_open(vm, &options, ret, err);
}

int guest_open_os(struct mvmi_vm *vm, struct mvmi_os **ret)
{
	struct mvmi_error err;

	if (no_profile && profile_dir)
		return diag_usage("--profile-dir and --no-profile exclude each "
				  "other");
	if (guest_find_os(vm, ret, &err) == MVMI_OK)
		return EXIT_OK;
	return diag_error(&err, "the guest is not understood");
}

int guest_open(struct guest *guest, const char *target)
{
	int code;

	*guest = (struct guest){ .vm = NULL };
	code = target_open(target, true, &guest->vm);
	if (code != EXIT_OK)
		return code;
	code = guest_open_os(guest->vm, &guest->os);
	if (code != EXIT_OK)
		mvmi_vm_close(guest->vm);
	return code;
}

int guest_hold(struct guest *guest)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	struct mvmi_error err;

	if (live || guest->held)
		return EXIT_OK;
	if (mvmi_vm_get_info(guest->vm, &info, &err) != MVMI_OK)
		return diag_error(&err, "cannot describe the VM");
	if (!(info.capabilities & MVMI_CAP_RUN) ||
	    info.state == MVMI_RUN_STATE_STOPPED)
		return EXIT_OK;
	if (mvmi_vm_hold(guest->vm, &err) != MVMI_OK) {
		int code = diag_error(&err, "what is read would not be of one "
					    "moment");

		diag_hint("--live reads the VM as it runs");
		return code;
	}
	guest->held = true;
	return EXIT_OK;
}

int guest_release(struct guest *guest, int code)
{
	struct mvmi_error err;

	if (!guest->held)
		return code;
	guest->held = false;
	if (mvmi_vm_release(guest->vm, &err) == MVMI_OK || code != EXIT_OK)
		return code;
	return diag_error(&err, "the guest was read");
}

int guest_open_held(struct guest *guest, const char *target)
{
	int code = guest_open(guest, target);

	if (code != EXIT_OK)
		return code;
	code = guest_hold(guest);
	return code == EXIT_OK ? code : guest_close(guest, code);
}

int guest_close(struct guest *guest, int code)
{
	code = guest_release(guest, code);
	mvmi_os_close(guest->os);
	mvmi_vm_close(guest->vm);
	*guest = (struct guest){ .vm = NULL };
	return code;
}

void guest_doubt(const char *doubt)
{
	if (*doubt)
		diag_say("in doubt: %s", doubt);
}

bool guest_has_pid(void)
{
	return pid_text != NULL;
}

int guest_pid(uint64_t *ret)
{
	const char *wrong = NULL;

	*ret = MVMI_OS_ALL;
	if (pid_text)
		wrong = number_parse(pid_text, ret);
	if (wrong)
		return diag_usage("--pid %s: %s", pid_text, wrong);
	return EXIT_OK;
}

int guest_need_pid(uint64_t *ret)
{
	if (!pid_text)
		return diag_usage("--pid N is missing");
	return guest_pid(ret);
}
