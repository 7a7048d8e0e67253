/* SPDX-License-Identifier: MIT */
/* Finding QEMU's plugin interface in the process that loaded us. */
#include "api.h"

#include <dlfcn.h>
#include <string.h>

struct api api;

/* What QEMU's qmp_query_version() returns; stable since it was generated. */
struct version_triple {
	int64_t major;
	int64_t minor;
	int64_t micro;
};

struct version_info {
	struct version_triple *qemu;
	char *package;
};

void api_qemu_version(int *major, int *minor, int *micro)
{
	struct version_info *(*query)(void **err) = NULL;
	void *symbol = dlsym(RTLD_DEFAULT, "qmp_query_version");
	struct version_info *info = NULL;

	*major = *minor = *micro = 0;
	memcpy(&query, &symbol, sizeof(query));
	if (query)
		info = query(NULL);
	if (!info || !info->qemu)
		return;
	*major = (int)info->qemu->major;
	*minor = (int)info->qemu->minor;
	*micro = (int)info->qemu->micro;
}

int api_wanted(void)
{
	static const struct {
		int major, minor, api;
	} versions[] = {
		{ 11, 1, 7 }, { 11, 0, 6 }, { 10, 1, 5 }, { 9, 2, 4 },
		{ 9, 1, 3 },  { 9, 0, 2 },  { 6, 0, 1 },
	};
	int major;
	int minor;
	int micro;

	api_qemu_version(&major, &minor, &micro);
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (major > versions[i].major ||
		    (major == versions[i].major && minor >= versions[i].minor))
			return versions[i].api;
	}
	return 1;
}

const char *api_load(const struct api_info *info)
{
	static const struct {
		const char *name;
		size_t offset;
		bool needed;
	} functions[] = {
#define API_ENTRY(name, needed, result, params) \
	{ "qemu_plugin_" #name, offsetof(struct api, name), needed },
		API_FUNCTIONS(API_ENTRY)
#undef API_ENTRY
	};

	api.version = info->version.cur;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *symbol = dlsym(RTLD_DEFAULT, functions[i].name);

		if (!symbol && functions[i].needed)
			return functions[i].name;
		memcpy((char *)&api + functions[i].offset, &symbol,
		       sizeof(symbol));
	}
	return NULL;
}
