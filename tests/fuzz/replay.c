/*
 * Replay a fuzzer's corpus: call LLVMFuzzerTestOneInput() with each file of a
 * folder, one TAP case a file.  Stands in for libFuzzer's main() wherever the
 * fuzzers are run as tests.
 *
 * A folder that is missing or empty is a failure: a corpus that got lost must
 * not look like one that is clean.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Read a whole file.  The copy is exactly as long as the file, so that ASan
 * sees a read past its end. */
static uint8_t *read_input(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data = NULL;

	if (file == NULL)
		return NULL;
	if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode)) {
		*size = (size_t)st.st_size;
		data = malloc(*size ? *size : 1);
	}
	if (data != NULL && fread(data, 1, *size, file) != *size) {
		free(data);
		data = NULL;
	}
	fclose(file);
	return data;
}

static int replay(const char *folder, const char *name)
{
	char path[PATH_MAX];
	uint8_t *data;
	size_t size = 0;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    (int)sizeof(path))
		return -1;
	data = read_input(path, &size);
	if (data == NULL)
		return -1;
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count, failed = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	count = scandir(argv[1], &entries, is_input, alphasort);
	if (count <= 0) {
		printf("1..1\nnot ok 1 - corpus %s: %s\n", argv[1],
		       count < 0 ? strerror(errno) : "no input in it");
		return 1;
	}
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		/* Before the call: a crash shall leave the input's name. */
		fprintf(stderr, "replaying %s\n", entries[i]->d_name);
		if (replay(argv[1], entries[i]->d_name) == 0) {
			printf("ok %d - %s\n", i + 1, entries[i]->d_name);
		} else {
			printf("not ok %d - %s: cannot be read\n", i + 1,
			       entries[i]->d_name);
			failed = 1;
		}
		fflush(stdout);
		free(entries[i]);
	}
	free(entries);
	return failed;
}
