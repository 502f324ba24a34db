/* SPDX-License-Identifier: 0BSD */
/*
 * without NUMBER[,NUMBER...] PROGRAM [ARGUMENT...]: runs a program on a kernel that seems not to
 * have these system calls.  "prctl=N" leaves out one operation of prctl(2).
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER  offsetof(struct seccomp_data, nr)
#define ARG0    offsetof(struct seccomp_data, args)
#define LOAD(k) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, k))
#define IF(k, no) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, no))
#define RETURN(k) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, k))

int main(int argc, char **argv)
{
	struct sock_filter code[128];
	struct sock_fprog program = {.filter = code};
	unsigned n = 0;

	if (argc < 3)
		return 2;
	code[n++] = LOAD(NUMBER);
	for (char *word = strtok(argv[1], ","); word && n < 120; word = strtok(NULL, ",")) {
		if (strncmp(word, "prctl=", 6) == 0) {
			code[n++] = IF(SYS_prctl, 4);
			code[n++] = LOAD(ARG0);
			code[n++] = IF((unsigned)atoi(word + 6), 1);
			code[n++] = RETURN(SECCOMP_RET_ERRNO | EINVAL);
			code[n++] = LOAD(NUMBER);
		} else {
			code[n++] = IF((unsigned)atoi(word), 1);
			code[n++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
		}
	}
	code[n++] = RETURN(SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	/* As root the program must still be able to become somebody else: no PR_SET_NO_NEW_PRIVS. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)) {
		perror("without");
		return 2;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 2;
}
