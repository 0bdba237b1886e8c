/* process_test.c - programs are started, watched and stopped, however they behave.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* usleep */
#include "support.h"

#include "base/os.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t second = 1000000000;

/* What a shell makes of the text; `output` has room for 4096 bytes. */
static btl_process shell(const char *text, char *output, int64_t limit_ns) {
    const char *const argv[] = { "/bin/sh", "-c", text, NULL };
    btl_process p = { .argv = argv, .output = output, .capacity = 4096 };
    btl_process_run(1, &p, 1, limit_ns);
    return p;
}

#define ASSERT_END(p, end_, code_)                                                                \
    do {                                                                                          \
        if ((p).end != (end_) || (p).code != (code_))                                             \
            BTL_FAIL("end %d, code %d, expected %d, %d; output: %s", (int)(p).end, (p).code, (int)(end_), (code_), (p).output); \
    } while (0)

/* A process is gone, or a zombie that nobody has taken yet. */
static bool is_dead(pid_t pid) {
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return kill(pid, 0) != 0;
    if (fscanf(f, "%*d %*s %c", &state) != 1) state = 'X';
    fclose(f);
    return state == 'Z' || state == 'X';
}

static bool is_dead_soon(pid_t pid) {
    for (int i = 0; i < 200 && !is_dead(pid); i++) usleep(10000);
    return is_dead(pid);
}

BTL_TEST(output_of_both_streams_and_the_exit_code_are_kept) {
    char output[4096];
    btl_process p = shell("echo one; echo two >&2; exit 7", output, 20 * second);
    ASSERT_END(p, BTL_PROCESS_EXITED, 7);
    assert_string_equal(output, "one\ntwo\n");
    assert_int_equal(p.length, 8);
    assert_false(p.cut);
}

BTL_TEST(standard_input_is_empty) {
    char output[4096];
    btl_process p = shell("cat; echo end", output, 20 * second);
    ASSERT_END(p, BTL_PROCESS_EXITED, 0);
    assert_string_equal(output, "end\n");
}

BTL_TEST(a_program_that_is_not_there_is_told_by_its_errno) {
    char output[100];
    const char *const argv[] = { "/nowhere/at/all", NULL };
    btl_process p = { .argv = argv, .output = output, .capacity = sizeof output };
    btl_process_run(1, &p, 1, second);
    ASSERT_END(p, BTL_PROCESS_NOT_STARTED, ENOENT);
}

BTL_TEST(a_program_that_dies_of_a_signal_is_told_from_one_that_exits) {
    char output[4096];
    btl_process p = shell("echo so; kill -SEGV $$", output, 20 * second);
    ASSERT_END(p, BTL_PROCESS_KILLED, SIGSEGV);
    assert_string_equal(output, "so\n");
}

BTL_TEST(one_that_takes_too_long_is_stopped_with_what_it_started) {
    char output[4096];
    int64_t start = btl_os_now_ns();
    btl_process p = shell("sleep 100 & echo $!; wait", output, second / 4);
    assert_int_equal(p.end, BTL_PROCESS_TIMED_OUT);
    assert_true(btl_os_now_ns() - start < 20 * second);
    pid_t child = (pid_t)atoi(output);
    assert_true(child > 1);
    if (!is_dead_soon(child)) BTL_FAIL("the program's own child goes on");
}

BTL_TEST(one_that_does_not_want_to_end_is_killed) {
    char output[4096];
    btl_process p = shell("trap '' TERM; (trap '' TERM; echo inner; exec sleep 100) & echo $!; while :; do sleep 0.05; done", output, second / 4);
    assert_int_equal(p.end, BTL_PROCESS_TIMED_OUT);
    const char *number = output[0] == 'i' ? strchr(output, '\n') + 1 : output;
    if (!is_dead_soon((pid_t)atoi(number))) BTL_FAIL("its child, which ignores SIGTERM and holds the output, goes on: %s", output);
    p = shell("(trap '' TERM; exec sleep 100 > /dev/null 2>&1) & echo $!; wait", output, second / 4);
    assert_int_equal(p.end, BTL_PROCESS_TIMED_OUT);
    if (!is_dead_soon((pid_t)atoi(output))) BTL_FAIL("its child, which ignores SIGTERM, goes on");
}

BTL_TEST(output_without_end_is_bounded_and_does_not_stop_the_clock) {
    char output[4096];
    btl_process p = shell("exec yes garbage", output, second / 4);
    assert_int_equal(p.end, BTL_PROCESS_TIMED_OUT);
    assert_int_equal(p.length, sizeof output - 1);
    assert_int_equal(output[sizeof output - 1], 0);
    assert_true(p.cut);
}

BTL_TEST(a_child_left_behind_that_holds_the_output_is_not_waited_for) {
    char output[4096];
    int64_t start = btl_os_now_ns();
    btl_process p = shell("sleep 60 & echo $!", output, 40 * second);
    ASSERT_END(p, BTL_PROCESS_EXITED, 0);
    assert_true(btl_os_now_ns() - start < 20 * second);
    kill((pid_t)atoi(output), SIGKILL);
}

BTL_TEST(one_that_closes_its_output_and_goes_on_is_waited_for) {
    char output[4096];
    btl_process p = shell("echo x; exec >&- 2>&-; sleep 0.3; exit 5", output, 20 * second);
    ASSERT_END(p, BTL_PROCESS_EXITED, 5);
    assert_string_equal(output, "x\n");
    p = shell("exec >&- 2>&-; sleep 60", output, second / 4);
    assert_int_equal(p.end, BTL_PROCESS_TIMED_OUT);
}

BTL_TEST(files_of_the_host_do_not_reach_it) {
    char output[4096];
    btl_test_dir dir;
    btl_test_dir_make(&dir);
    int fds[20];
    for (int i = 0; i < 20; i++) /* without O_CLOEXEC, as a careless host opens files */
        assert_true((fds[i] = open(btl_test_path(dir.path, "secret"), O_RDWR | O_CREAT, 0600)) >= 0);
    btl_process p = shell("ls -l /proc/self/fd/; echo ok", output, 20 * second);
    for (int i = 0; i < 20; i++) close(fds[i]);
    btl_test_dir_remove(&dir);
    ASSERT_END(p, BTL_PROCESS_EXITED, 0);
    BTL_ASSERT_CONTAINS(output, "ok\n");
    BTL_ASSERT_CONTAINS(output, "/dev/null");
    if (strstr(output, "secret")) BTL_FAIL("inherited:\n%s", output);
}

BTL_TEST(many_run_side_by_side_and_each_keeps_its_own) {
    enum { N = 9 };
    static char outputs[N][64], texts[N][64];
    const char *argv[N][4];
    btl_process p[N];
    for (int i = 0; i < N; i++) {
        snprintf(texts[i], sizeof texts[i], "sleep 0.%d; echo number %d; exit %d", (N - i) % 4, i, i);
        const char *const words[] = { "/bin/sh", "-c", texts[i], NULL };
        memcpy(argv[i], words, sizeof words);
        p[i] = (btl_process){ .argv = argv[i], .output = outputs[i], .capacity = sizeof outputs[i] };
    }
    btl_process_run(N, p, 3, 20 * second);
    for (int i = 0; i < N; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "number %d\n", i);
        ASSERT_END(p[i], BTL_PROCESS_EXITED, i);
        assert_string_equal(outputs[i], expected);
    }
}

BTL_TEST(a_host_that_ignores_SIGCHLD_takes_only_the_exit_code) {
    char output[4096];
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    btl_process p = shell("echo all; (exit 3); echo $?", output, 20 * second);
    signal(SIGCHLD, before);
    assert_int_equal(p.end, BTL_PROCESS_LOST);
    assert_string_equal(output, "all\n3\n"); /* its own children are told to it as usual */
}

BTL_TEST(signals_that_the_host_ignores_or_blocks_reach_it) {
    char output[4096];
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    void (*handler)(int) = signal(SIGINT, SIG_IGN);
    btl_process interrupted = shell("kill -INT $$; echo alive", output, 20 * second);
    btl_process terminated = shell("kill -TERM $$; echo alive", output, 20 * second);
    signal(SIGINT, handler);
    sigprocmask(SIG_SETMASK, &before, NULL);
    ASSERT_END(interrupted, BTL_PROCESS_KILLED, SIGINT);
    ASSERT_END(terminated, BTL_PROCESS_KILLED, SIGTERM);
}

BTL_TEST(a_host_without_standard_streams_is_no_obstacle) {
    for (int closed = 1; closed < 8; closed++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            char output[4096];
            for (int fd = 0; fd < 3; fd++)
                if (closed >> fd & 1) close(fd);
            btl_process p = shell("cat; echo out; echo err >&2; exit 4", output, 20 * second);
            _exit(p.end == BTL_PROCESS_EXITED && p.code == 4 && strcmp(output, "out\nerr\n") == 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status) BTL_FAIL("with the streams of the set %d closed it failed", closed);
    }
}

BTL_TEST(the_environment_is_the_one_that_was_given) {
    char output[4096];
    const char *const argv[] = { "/usr/bin/env", NULL }, *const env[] = { "A=1", "B=two words", NULL };
    btl_process p = { .argv = argv, .env = env, .output = output, .capacity = sizeof output };
    btl_process_run(1, &p, 1, 20 * second);
    ASSERT_END(p, BTL_PROCESS_EXITED, 0);
    assert_string_equal(output, "A=1\nB=two words\n");
}

BTL_TEST_MAIN(cmocka_unit_test(output_of_both_streams_and_the_exit_code_are_kept), cmocka_unit_test(standard_input_is_empty),
              cmocka_unit_test(a_program_that_is_not_there_is_told_by_its_errno), cmocka_unit_test(a_program_that_dies_of_a_signal_is_told_from_one_that_exits),
              cmocka_unit_test(one_that_takes_too_long_is_stopped_with_what_it_started), cmocka_unit_test(one_that_does_not_want_to_end_is_killed),
              cmocka_unit_test(output_without_end_is_bounded_and_does_not_stop_the_clock),
              cmocka_unit_test(a_child_left_behind_that_holds_the_output_is_not_waited_for),
              cmocka_unit_test(one_that_closes_its_output_and_goes_on_is_waited_for), cmocka_unit_test(files_of_the_host_do_not_reach_it),
              cmocka_unit_test(many_run_side_by_side_and_each_keeps_its_own), cmocka_unit_test(a_host_that_ignores_SIGCHLD_takes_only_the_exit_code),
              cmocka_unit_test(signals_that_the_host_ignores_or_blocks_reach_it), cmocka_unit_test(a_host_without_standard_streams_is_no_obstacle),
              cmocka_unit_test(the_environment_is_the_one_that_was_given))
