/* process.c - see process.h.
 *
 * posix_spawn, because fork copies the page tables of a host that may have gigabytes (100 ms for 2 GB).
 *
 * A program has ended when its output is closed and its exit code is there. Neither alone will do: one may close its
 * output and go on, and a child that it leaves behind may keep the output open. So the loop sleeps in poll() while
 * outputs are open, looks after each exit code now and then, and is quick about it once an output is closed.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* pipe2, closefrom */
#include "base/process.h"

#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 34)
#define PROCESS_CLOSEFROM 1
#endif
#endif
#ifndef PROCESS_CLOSEFROM
#include <dirent.h>
#endif

extern char **environ;

enum { MOST_PARALLEL = 64, LOOK_MS = 20, GRACE_MS = 300 };
static const int64_t ms = 1000000;

typedef struct running {
    btl_process *p;
    int64_t deadline; /* then it is stopped; after its end: then its output is given up */
    int64_t pause;    /* until the next look after its exit code, once the output is closed */
    pid_t pid;
    int output;       /* -1: closed */
    int stage;        /* of stopping: 0, SIGTERM, SIGKILL */
    bool ended;       /* its exit code is known */
} running;

/* ---- starting ---------------------------------------------------------------------------------------- */

/* The host may have opened files without O_CLOEXEC. */
static int process_close_others(posix_spawn_file_actions_t *actions) {
#ifdef PROCESS_CLOSEFROM
    return posix_spawn_file_actions_addclosefrom_np(actions, 3);
#else
    DIR *d = opendir("/proc/self/fd");
    if (!d) d = opendir("/dev/fd");
    for (struct dirent *e; d && (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (fd > 2 && fd != dirfd(d)) posix_spawn_file_actions_addclose(actions, fd);
    }
    if (d) closedir(d);
    return 0;
#endif
}

static int process_pipe(int fds[2]) {
#ifdef __linux__
    return pipe2(fds, O_CLOEXEC);
#else
    if (pipe(fds)) return -1;
    for (int i = 0; i < 2; i++) fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

/* A process group of its own, no signal blocked, none ignored. */
static int process_attributes(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int problem = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!problem) problem = posix_spawnattr_setpgroup(attributes, 0);
    if (!problem) problem = posix_spawnattr_setsigmask(attributes, &none);
    if (!problem) problem = posix_spawnattr_setsigdefault(attributes, &all);
    return problem;
}

/* Returns errno. Standard input comes last, because the pipe may be 0, 1 or 2 in a host that has closed those. */
static int process_spawn(const btl_process *p, int write_end, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int problem = posix_spawn_file_actions_init(&actions);
    if (problem) return problem;
    if ((problem = posix_spawnattr_init(&attributes)) == 0) {
        problem = process_attributes(&attributes);
        if (!problem) problem = posix_spawn_file_actions_adddup2(&actions, write_end, 1);
        if (!problem) problem = posix_spawn_file_actions_adddup2(&actions, write_end, 2);
        if (!problem) problem = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (!problem) problem = process_close_others(&actions);
        char *const *argv = (char *const *)(uintptr_t)p->argv; /* posix_spawn does not write to them */
        char *const *env = p->env ? (char *const *)(uintptr_t)p->env : environ;
        if (!problem) problem = posix_spawn(pid, p->argv[0], &actions, &attributes, argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return problem;
}

static bool process_start(btl_process *p, int64_t limit_ns, running *r) {
    int fds[2];
    p->length = 0;
    p->cut = false;
    if (p->capacity) p->output[0] = 0;
    p->end = BTL_PROCESS_NOT_STARTED;
    if (process_pipe(fds)) {
        p->code = errno;
        return false;
    }
    *r = (running){ .p = p, .output = fds[0], .pause = ms / 20 };
    p->code = process_spawn(p, fds[1], &r->pid);
    close(fds[1]);
    if (p->code) {
        close(fds[0]);
        return false;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    int64_t now = btl_os_now_ns();
    r->deadline = limit_ns < INT64_MAX - now ? now + limit_ns : INT64_MAX;
    return true;
}

/* ---- watching ---------------------------------------------------------------------------------------- */

static void process_keep(btl_process *p, const char *data, size_t bytes) {
    size_t room = p->capacity ? p->capacity - 1 - p->length : 0, kept = bytes < room ? bytes : room;
    if (kept) {
        memcpy(p->output + p->length, data, kept);
        p->length += kept;
        p->output[p->length] = 0;
    }
    p->cut |= kept < bytes;
}

/* One round, so that a program that writes without end does not keep us from its deadline. */
static void process_read(running *r) {
    char data[8192];
    ssize_t n = read(r->output, data, sizeof data);
    if (n > 0) {
        process_keep(r->p, data, (size_t)n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        close(r->output);
        r->output = -1;
    }
}

static void process_look(running *r) {
    int status;
    pid_t got = r->ended ? 0 : waitpid(r->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return;
    btl_process *p = r->p;
    r->ended = true;
    if (r->stage) kill(-r->pid, SIGKILL), p->end = BTL_PROCESS_TIMED_OUT; /* and what it started */
    else if (got < 0) p->end = BTL_PROCESS_LOST;
    else if (WIFEXITED(status)) p->end = BTL_PROCESS_EXITED, p->code = WEXITSTATUS(status);
    else p->end = BTL_PROCESS_KILLED, p->code = WTERMSIG(status);
    int64_t soon = btl_os_now_ns() + GRACE_MS * ms; /* for what a child of its own still holds open */
    if (soon < r->deadline) r->deadline = soon;
}

/* A compiler that gets SIGTERM removes its temporary files. What survives SIGKILL (it sleeps in the kernel) is left. */
static void process_deadline(running *r, int64_t now) {
    if (now < r->deadline) return;
    r->deadline = now + GRACE_MS * ms;
    if (!r->ended && r->stage < 2) {
        kill(-r->pid, r->stage ? SIGKILL : SIGTERM);
        kill(r->pid, r->stage ? SIGKILL : SIGTERM); /* should it have left its group */
        r->stage++;
        return;
    }
    if (r->stage) kill(-r->pid, SIGKILL);
    if (!r->ended) r->p->end = BTL_PROCESS_TIMED_OUT;
    r->ended = true;
    if (r->output >= 0) close(r->output);
    r->output = -1;
}

static void process_sleep(const running *r, int n) {
    struct pollfd polled[MOST_PARALLEL];
    int open_outputs = 0;
    int64_t pause = LOOK_MS * ms;
    for (int i = 0; i < n; i++) {
        if (r[i].output >= 0) polled[open_outputs++] = (struct pollfd){ .fd = r[i].output, .events = POLLIN };
        else if (r[i].pause < pause) pause = r[i].pause;
    }
    if (pause < ms || !open_outputs) nanosleep(&(struct timespec){ .tv_nsec = (long)pause }, NULL);
    else poll(polled, (nfds_t)open_outputs, (int)(pause / ms));
}

static bool process_has_ended(running *r) {
    if (r->output >= 0) process_read(r);
    process_look(r);
    process_deadline(r, btl_os_now_ns());
    if (r->output < 0 && r->pause < LOOK_MS * ms) r->pause *= 2;
    return r->ended && r->output < 0;
}

void btl_process_run(int n, btl_process *processes, int parallel, int64_t limit_ns) {
    running r[MOST_PARALLEL];
    int started = 0, active = 0;
    if (parallel < 1) parallel = 1;
    if (parallel > MOST_PARALLEL) parallel = MOST_PARALLEL;
    while (started < n || active) {
        while (started < n && active < parallel)
            if (process_start(&processes[started++], limit_ns, &r[active])) active++;
        if (active) process_sleep(r, active);
        for (int i = 0; i < active;)
            if (process_has_ended(&r[i])) r[i] = r[--active];
            else i++;
    }
}
