/* SPDX-License-Identifier: 0BSD */
/*
 * inject PID NUMBER [ARGUMENT...]: has a running process make a system call that is not in its
 * program, as an intruder in it would, and prints what it returned ("-1" is -EPERM) or "killed N".
 * An argument is a number, or s:TEXT for a pointer to a zero-terminated text.  x86-64.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

#define BELOW_STACK 8192 /* the red zone and more */

static pid_t pid;

static void fail(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Where the text stands now, in the memory of the other. */
static unsigned long put_text(unsigned long *at, const char *text)
{
	size_t n = strlen(text) + 1;
	unsigned long here = *at;

	for (size_t i = 0; i < n; i += sizeof(long)) {
		long word = 0;

		memcpy(&word, text + i, n - i < sizeof(word) ? n - i : sizeof(word));
		if (ptrace(PTRACE_POKEDATA, pid, here + i, word))
			fail("poke");
	}
	*at += (n + 15) & ~15ul;
	return here;
}

static unsigned long argument(unsigned long *at, const char *word)
{
	if (strncmp(word, "s:", 2) == 0)
		return put_text(at, word + 2);
	return strtoul(word, NULL, 0);
}

static int wait_stop(void)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("wait");
	if (!WIFSTOPPED(status)) {
		printf("killed %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		exit(0);
	}
	return WSTOPSIG(status);
}

int main(int argc, char **argv)
{
	struct user_regs_struct before, regs;
	unsigned long text_at, value[6] = {0};

	if (argc < 3 || argc > 9)
		return 2;
	pid = atoi(argv[1]);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0))
		fail("attach");
	wait_stop();
	if (ptrace(PTRACE_GETREGS, pid, 0, &before))
		fail("registers");
	/* It waits in a system call: the instruction is the one before. */
	if ((ptrace(PTRACE_PEEKTEXT, pid, before.rip - 2, 0) & 0xffff) != 0x050f)
		fail("it does not wait in a system call");
	text_at = (before.rsp - BELOW_STACK) & ~15ul;
	for (int i = 3; i < argc; i++)
		value[i - 3] = argument(&text_at, argv[i]);
	regs = before;
	regs.rip = before.rip - 2;
	regs.orig_rax = (unsigned long)-1;
	regs.rax = strtoul(argv[2], NULL, 0);
	regs.rdi = value[0];
	regs.rsi = value[1];
	regs.rdx = value[2];
	regs.r10 = value[3];
	regs.r8 = value[4];
	regs.r9 = value[5];
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) || ptrace(PTRACE_SINGLESTEP, pid, 0, 0))
		fail("step");
	while (wait_stop() != SIGTRAP) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0))
			fail("step");
	}
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		fail("registers");
	printf("%ld\n", (long)regs.rax);
	if (ptrace(PTRACE_SETREGS, pid, 0, &before) || ptrace(PTRACE_DETACH, pid, 0, 0))
		fail("detach");
	return 0;
}
