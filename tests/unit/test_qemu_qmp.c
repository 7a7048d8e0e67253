/* SPDX-License-Identifier: MIT */
/* The monitor's client against a far side that is scripted, and may lie. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/qemu/qmp.h"
#include "harness.h"

static int far_side;

/** A client that is connected to us, who are the monitor. */
static struct qmp connected(void)
{
	struct qmp q = { .timeout_ms = 50 };
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	q.fd = pair[0];
	far_side = pair[1];
	return q;
}

/** What the monitor will have said by the time it is asked. */
static void say(const char *text)
{
	CHECK(write(far_side, text, strlen(text)) == (ssize_t)strlen(text));
}

static void done(struct qmp *q)
{
	qmp_close(q);
	(void)close(far_side);
}

static enum mvmi_status ask(struct qmp *q, json_t **ret, struct mvmi_error *err)
{
	return qmp_call(q, "query-x", NULL, ret, err);
}

static void value_of_the_right_answer_is_returned(void)
{
	struct qmp q = connected();
	json_t *value;

	say("{\"return\": 1, \"id\": 77}\r\n{\"event\": \"STOP\"}\r\n"
	    "{\"return\": 2, \"id\": 1}\r\n");
	CHECK(ask(&q, &value, NULL) == MVMI_OK);
	CHECK(json_integer_value(value) == 2);
	json_decref(value);
	CHECK(qmp_take_events(&q) == QMP_EVENT_STOP);
	CHECK(qmp_take_events(&q) == 0);
	done(&q);
}

static void pretty_answers_over_several_lines_are_one(void)
{
	struct qmp q = connected();
	json_t *value;

	say("{\n    \"return\": {\n\t\"text\": \"}\\\"]\"\n    },\n"
	    "    \"id\": 1\n}\n");
	CHECK(ask(&q, &value, NULL) == MVMI_OK);
	CHECK(strcmp(json_string_value(json_object_get(value, "text")),
		     "}\"]") == 0);
	json_decref(value);
	done(&q);
}

static void refusal_carries_the_monitors_words(void)
{
	struct qmp q = connected();
	struct mvmi_error err;
	json_t *value = NULL;

	say("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"what?\"},"
	    "\"id\": 1}");
	CHECK(ask(&q, &value, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "what?") && value == NULL);
	say("{\"error\": {}, \"id\": 2}");
	CHECK(ask(&q, &value, &err) == MVMI_ERR_INVALID);
	say("{\"nothing\": 0, \"id\": 3}");
	CHECK(ask(&q, &value, &err) == MVMI_ERR_CORRUPT);
	CHECK(value == NULL);
	done(&q);
}

static void silence_is_a_timeout_and_ends_the_connection(void)
{
	struct qmp q = connected();

	CHECK(ask(&q, NULL, NULL) == MVMI_ERR_TIMEOUT);
	CHECK(ask(&q, NULL, NULL) == MVMI_ERR_GONE);
	done(&q);
}

static void hang_up_is_gone(void)
{
	struct qmp q = connected();

	say("{\"return\"");
	(void)shutdown(far_side, SHUT_RDWR);
	CHECK(ask(&q, NULL, NULL) == MVMI_ERR_GONE);
	done(&q);
}

static void what_is_not_json_is_corrupt(void)
{
	static const char *const texts[] = { "{]", "[1]", "}", "{\"a\": tru}",
					     "{\"id\": 1e999999, \"a\": [}}" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct qmp q = connected();

		say(texts[i]);
		CHECK(ask(&q, NULL, NULL) == MVMI_ERR_CORRUPT);
		done(&q);
	}
}

static void events_are_taken_in_without_a_question(void)
{
	struct qmp q = connected();

	say("{\"event\": \"RESET\", \"data\": {}}{\"event\": \"NICE\"}"
	    "{\"event\": 5}{\"event\": \"RESUME\"}{\"ev");
	CHECK(qmp_poll(&q, NULL) == MVMI_OK);
	CHECK(qmp_take_events(&q) == (QMP_EVENT_RESET | QMP_EVENT_RESUME));
	say("ent\": \"STOP\"}");
	CHECK(qmp_poll(&q, NULL) == MVMI_OK);
	CHECK(qmp_take_events(&q) == QMP_EVENT_STOP);
	done(&q);
}

static void frames_end_where_they_end_however_they_arrive(void)
{
	static const char text[] = " {\"a\": \"}\\\\\", \"b\": [{}]} {";
	struct qmp_framer whole = { 0 };
	struct qmp_framer slow = { 0 };
	size_t end = strlen(text) - 2;

	CHECK(qmp_frame(&whole, text, strlen(text)) == end);
	for (size_t n = 0; n < end; n++)
		CHECK(qmp_frame(&slow, text, n) == 0);
	CHECK(qmp_frame(&slow, text, end) == end);
}

static void a_path_that_is_no_monitor_is_named(void)
{
	struct mvmi_error err;
	struct qmp q;

	CHECK(qmp_open(&q, "/nowhere", 50, &err) == MVMI_ERR_SYSTEM);
	CHECK(strstr(err.msg, "/nowhere"));
	CHECK(qmp_open(&q, "/dev/null", 50, &err) == MVMI_ERR_SYSTEM);
	qmp_close(&q);
}

TESTS(T(value_of_the_right_answer_is_returned),
      T(pretty_answers_over_several_lines_are_one),
      T(refusal_carries_the_monitors_words),
      T(silence_is_a_timeout_and_ends_the_connection), T(hang_up_is_gone),
      T(what_is_not_json_is_corrupt), T(events_are_taken_in_without_a_question),
      T(frames_end_where_they_end_however_they_arrive),
      T(a_path_that_is_no_monitor_is_named))
