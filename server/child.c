#include "server/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/clock.h"

enum {
    REAP_MS = 50,     /* how often a child that closed its pipes is asked for its exit */
    DRAIN_READS = 128 /* of 1024 bytes: twice what a pipe holds */
};

struct gs_child {
    pid_t pid;
    bool has_exited;
    int wait_status;
    int output, errors; /* read ends; -1 once closed */
    char buffer[GS_CHILD_LINE_MAX];
    size_t start, end; /* unread bytes of buffer */
    bool skipping;     /* dropping the rest of a line that is too long */
    const char *line;
    char tail[GS_CHILD_STDERR_KEPT + 1];
    size_t tail_size;
};

/* ==== Starting ==== */

/* In the child, between fork and exec: only calls that are safe after a fork of threads. */
_Noreturn static void become(char *const arguments[], int output, int errors, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); /* it died before the line above */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + GS_CHILD_NICENESS);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(errors, STDERR_FILENO) < 0)
        _exit(127);
    execv(arguments[0], arguments);
    static const char message[] = "the trainer cannot be started";
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    (void)written;
    _exit(127);
}

gs_status gs_child_start(char *const arguments[], gs_child **out, gs_error *err) {
    gs_child *child = gs_alloc(1, sizeof *child);
    if (!child) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a child process");
    int output[2] = {-1, -1}, errors[2] = {-1, -1};
    gs_status status = GS_OK;
    if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
        status = gs_fail_errno(err, "cannot make a pipe");
    } else {
        pid_t parent = getpid();
        child->pid = fork();
        if (child->pid == 0) become(arguments, output[1], errors[1], parent);
        if (child->pid < 0) status = gs_fail_errno(err, "cannot start a child process");
    }
    if (output[1] >= 0) close(output[1]);
    if (errors[1] >= 0) close(errors[1]);
    if (status != GS_OK) {
        if (output[0] >= 0) close(output[0]);
        if (errors[0] >= 0) close(errors[0]);
        gs_free(child);
        return status;
    }
    child->output = output[0];
    child->errors = errors[0];
    fcntl(child->output, F_SETFL, O_NONBLOCK);
    fcntl(child->errors, F_SETFL, O_NONBLOCK);
    *out = child;
    return GS_OK;
}

void gs_child_close(gs_child *child) {
    if (!child) return;
    if (!child->has_exited) {
        kill(child->pid, SIGKILL);
        while (waitpid(child->pid, &child->wait_status, 0) < 0 && errno == EINTR) continue;
    }
    if (child->output >= 0) close(child->output);
    if (child->errors >= 0) close(child->errors);
    gs_free(child);
}

void gs_child_signal(gs_child *child, int signal) {
    if (!child->has_exited) kill(child->pid, signal);
}

/* ==== Reading ==== */

static bool reap(gs_child *child) {
    if (!child->has_exited && waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid)
        child->has_exited = true;
    return child->has_exited;
}

/* The next whole line that lies in the buffer; false when there is none. */
static bool take_line(gs_child *child) {
    for (;;) {
        char *from = child->buffer + child->start;
        char *newline = memchr(from, '\n', child->end - child->start);
        if (!newline) return false;
        *newline = '\0';
        child->start = (size_t)(newline - child->buffer) + 1;
        bool dropped = child->skipping;
        child->skipping = false;
        if (dropped) continue;
        child->line = from;
        return true;
    }
}

/* Reads what the pipe has; closes it at its end. */
static void read_output(gs_child *child) {
    memmove(child->buffer, child->buffer + child->start, child->end - child->start);
    child->end -= child->start;
    child->start = 0;
    if (child->end == sizeof child->buffer) {
        child->skipping = true;
        child->end = 0;
    }
    ssize_t n = read(child->output, child->buffer + child->end, sizeof child->buffer - child->end);
    if (n > 0) {
        child->end += (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(child->output);
        child->output = -1;
    }
}

/* Keeps the end of what standard error says; false when the pipe had nothing or has ended. */
static bool read_errors(gs_child *child) {
    char bytes[1024];
    ssize_t n = read(child->errors, bytes, sizeof bytes);
    if (n > 0) {
        size_t size = (size_t)n;
        size_t kept = child->tail_size + size > GS_CHILD_STDERR_KEPT ? GS_CHILD_STDERR_KEPT - size
                                                                     : child->tail_size;
        memmove(child->tail, child->tail + child->tail_size - kept, kept);
        memcpy(child->tail + kept, bytes, size);
        child->tail_size = kept + size;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(child->errors);
        child->errors = -1;
    }
    return n > 0;
}

/* Once the child is gone, what it wrote lies in the pipes; a grandchild may still hold them open
 * and write on, so no more is read than a pipe can have held. */
static bool has_ended(gs_child *child) {
    if (!reap(child)) return false;
    for (int reads = 0; child->errors >= 0 && reads < DRAIN_READS; reads++)
        if (!read_errors(child)) break;
    if (child->output >= 0) {
        size_t before = child->end - child->start;
        read_output(child);
        if (child->end - child->start != before) return false; /* more lines to give */
    }
    return true;
}

gs_child_news gs_child_wait(gs_child *child, int wake_fd, int timeout_ms) {
    double until = gs_clock_seconds() + 1e-3 * timeout_ms;
    for (;;) {
        if (take_line(child)) return GS_CHILD_LINE;
        if (has_ended(child)) return take_line(child) ? GS_CHILD_LINE : GS_CHILD_ENDED;
        if (take_line(child)) return GS_CHILD_LINE;
        double left_ms = 1000 * (until - gs_clock_seconds());
        if (left_ms <= 0) return GS_CHILD_TIMEOUT;
        bool quiet = child->output < 0 && child->errors < 0;
        int wait_ms = quiet && left_ms > REAP_MS ? REAP_MS : (int)left_ms + 1;
        struct pollfd fds[] = {{.fd = wake_fd, .events = POLLIN},
                               {.fd = child->output, .events = POLLIN},
                               {.fd = child->errors, .events = POLLIN}};
        if (poll(fds, 3, wait_ms) < 0 && errno != EINTR) return GS_CHILD_TIMEOUT;
        if (fds[2].revents) read_errors(child);
        if (fds[1].revents) read_output(child);
        if (fds[0].revents) return GS_CHILD_WOKEN;
    }
}

const char *gs_child_line(const gs_child *child) {
    return child->line;
}

int gs_child_exit_status(const gs_child *child, int *signal_out) {
    if (WIFEXITED(child->wait_status)) return WEXITSTATUS(child->wait_status);
    *signal_out = WTERMSIG(child->wait_status);
    return -1;
}

const char *gs_child_stderr(gs_child *child) {
    child->tail[child->tail_size] = '\0';
    for (char *at = child->tail; *at; at++) {
        if (*at == '\n' || *at == '\r' || *at == '\t') *at = ' ';
    }
    return child->tail;
}
