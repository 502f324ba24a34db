/* SPDX-License-Identifier: 0BSD */
/* What core calls after a role was confined, directly or through the C library.  Frequent ones
 * first: old kernels go through the list at every call. */
#include "features/sandbox/seccomp/seccomp.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define GATE CONFINE_GATE
#define MAIL CONFINE_MAIL
#define ALL  CONFINE_ALL
/* Passwords are hashed, and files synced, by threads. */
#define WITH_THREADS (CONFINE_AUTH | CONFINE_MAIL)
#define WITH_CLIENTS (CONFINE_GATE | CONFINE_MAIL)

#define CALL(roles, name)                    {roles, CONFINE_ANY, 0, SYS_##name, 0}
#define CALL_IF(roles, name, test, arg, bit) {roles, CONFINE_##test, arg, SYS_##name, bit}

/* Names that newer architectures do not have. */
#ifdef SYS_open
#define OLD_open SYS_open
#define OLD_stat SYS_stat
#define OLD_epoll_wait SYS_epoll_wait
#else
#define OLD_open (-1)
#define OLD_stat (-1)
#define OLD_epoll_wait (-1)
#endif

#define THREAD      (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)
#define WRITING     (O_ACCMODE | O_CREAT | O_TRUNC)

const struct confine_call seccomp_core_calls[] = {
	/* the loop, channels and sockets that are open already */
	CALL(ALL, epoll_pwait),
	CALL(ALL, recvfrom),
	CALL(ALL, sendto),
	CALL(ALL, sendmsg),
	CALL(ALL, recvmsg),
	CALL(ALL, epoll_ctl),
	CALL(ALL, read),
	CALL(ALL, write),
	CALL(ALL, close),
	CALL(WITH_CLIENTS, accept4),
	CALL(WITH_CLIENTS, shutdown),
	CALL(WITH_CLIENTS, setsockopt),
	CALL(WITH_CLIENTS, getsockopt),
	CALL(WITH_CLIENTS, getpeername),
	CALL(WITH_CLIENTS, getsockname),
	/* a relay between a client and mail */
	CALL_IF(GATE, socketpair, EQUAL, 0, AF_UNIX),
	CALL(ALL, writev),
	CALL(ALL, readv),
	CALL(ALL, epoll_create1),
	CALL(ALL, eventfd2),
	{ALL, CONFINE_ANY, 0, OLD_epoll_wait, 0},
	/* F_SETOWN, by which signals can be sent, is not among them */
	CALL_IF(ALL, fcntl, EQUAL, 1, F_GETFL),
	CALL_IF(ALL, fcntl, EQUAL, 1, F_SETFL),
	CALL_IF(ALL, fcntl, EQUAL, 1, F_GETFD),
	CALL_IF(ALL, fcntl, EQUAL, 1, F_SETFD),
	CALL_IF(ALL, fcntl, EQUAL, 1, F_DUPFD_CLOEXEC),

	/* memory, never to be executed */
	CALL_IF(ALL, mmap, NO_BITS, 2, PROT_EXEC),
	CALL_IF(ALL, mprotect, NO_BITS, 2, PROT_EXEC),
	CALL(ALL, munmap),
	CALL(ALL, mremap),
	CALL(ALL, madvise),
	CALL(ALL, brk),

	/* threads, time, chance, the end */
	CALL(ALL, futex),
	CALL(ALL, clock_gettime),
	CALL(ALL, clock_nanosleep),
	CALL(ALL, nanosleep),
	CALL(ALL, getrandom),
	CALL(ALL, getpid),
	CALL(ALL, gettid),
	CALL(ALL, getuid),
	CALL(ALL, geteuid),
	CALL(ALL, uname),
	CALL(ALL, rt_sigprocmask),
	CALL(ALL, rt_sigaction),
	CALL(ALL, rt_sigreturn),
	CALL(ALL, restart_syscall),
	CALL(ALL, sched_yield),
	CALL(ALL, sched_getaffinity),
	CALL(ALL, prlimit64),
	CALL(ALL, exit),
	CALL(ALL, exit_group),
	CALL_IF(WITH_THREADS, clone, BITS, 0, THREAD),
	CALL(WITH_THREADS, membarrier),
	CALL(WITH_THREADS, set_robust_list),
	CALL(WITH_THREADS, sysinfo),

	/* users.cdb */
	CALL(WITH_THREADS, pread64),
	CALL(WITH_THREADS, lseek),
	CALL(WITH_THREADS, fstat),
	CALL(WITH_THREADS, newfstatat),
	CALL(WITH_THREADS, statx),
	CALL_IF(CONFINE_AUTH, openat, NO_BITS, 2, WRITING),

	/* the store */
	CALL(MAIL, pwritev),
	CALL(MAIL, fdatasync),
	CALL(MAIL, pwrite64),
	CALL(MAIL, preadv),
	CALL(MAIL, preadv2),
	CALL(MAIL, pwritev2),
	CALL(MAIL, openat),
	CALL(MAIL, unlinkat),
	CALL(MAIL, renameat),
	CALL(MAIL, renameat2),
	CALL(MAIL, linkat),
	CALL(MAIL, mkdirat),
	CALL(MAIL, fsync),
	CALL(MAIL, sync_file_range),
	CALL(MAIL, syncfs),
	CALL(MAIL, ftruncate),
	CALL(MAIL, fallocate),
	CALL(MAIL, fadvise64),
	CALL(MAIL, readahead),
	CALL(MAIL, copy_file_range),
	CALL(MAIL, flock),
	CALL(MAIL, fstatfs),
	CALL(MAIL, statfs),
	CALL(MAIL, getdents64),
	CALL(MAIL, faccessat),
	CALL(MAIL, getrusage),
	CALL_IF(MAIL, fcntl, EQUAL, 1, F_SETLK),
	CALL_IF(MAIL, fcntl, EQUAL, 1, F_GETLK),
	{MAIL, CONFINE_ANY, 0, OLD_open, 0},
	{MAIL, CONFINE_ANY, 0, OLD_stat, 0},
	{0, 0, 0, 0, 0},
};

/* What no fault of our own could lead to: there is an intruder, and the process ends. */
const struct confine_call seccomp_fatal_calls[] = {
	CALL(ALL, execve),
	CALL(ALL, execveat),
	CALL(ALL, ptrace),
	CALL(ALL, process_vm_readv),
	CALL(ALL, process_vm_writev),
	CALL(ALL, pidfd_getfd),
	CALL(ALL, bpf),
	CALL(ALL, perf_event_open),
	CALL(ALL, userfaultfd),
	CALL(ALL, io_uring_setup),
	CALL(ALL, keyctl),
	CALL(ALL, add_key),
	CALL(ALL, request_key),
	CALL(ALL, mount),
	CALL(ALL, umount2),
	CALL(ALL, move_mount),
	CALL(ALL, open_by_handle_at),
	CALL(ALL, unshare),
	CALL(ALL, setns),
	CALL(ALL, chroot),
	CALL(ALL, pivot_root),
	CALL(ALL, init_module),
	CALL(ALL, finit_module),
	CALL(ALL, kexec_load),
	CALL(ALL, reboot),
	{0, 0, 0, 0, 0},
};
