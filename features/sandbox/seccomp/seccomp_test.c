/* SPDX-License-Identifier: 0BSD */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "features/sandbox/seccomp/seccomp.h"

#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#if defined(__x86_64__)
#define HERE AUDIT_ARCH_X86_64
#else
#define HERE AUDIT_ARCH_AARCH64
#endif

/* What the kernel does with a filter; a program that leaves its own bounds fails the test. */
static uint32_t run(const struct seccomp_program *p, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t at = 0;; at++) {
		const struct sock_filter *f = &p->code[at];

		assert_in_range(at, 0, p->n - 1);
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(f->k % 4 == 0 && f->k < sizeof(*d));
			a = ((const uint32_t *)d)[f->k / 4];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at += a & f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("unknown instruction");
		}
	}
}

static uint32_t judge(enum srv_role role, int number, int arg, uint64_t value)
{
	static struct seccomp_program p;
	struct seccomp_data d = {.nr = number, .arch = HERE};

	seccomp_assemble(&p, role);
	assert_false(p.failed);
	d.args[arg] = value;
	return run(&p, &d);
}

static const enum srv_role roles[] = {SRV_GATE, SRV_AUTH, SRV_MAIL};

static void test_each_line_of_the_table_lets_its_call_pass_for_its_roles(void **state)
{
	(void)state;
	for (const struct confine_call *c = seccomp_core_calls; c->roles; c++) {
		for (int i = 0; i < 3 && c->number >= 0; i++) {
			if (c->roles & 1u << roles[i])
				assert_int_equal(judge(roles[i], c->number, c->arg,
							 c->test == CONFINE_NO_BITS ? 0 : c->value),
					SECCOMP_RET_ALLOW);
		}
	}
}

static void test_what_is_not_listed_is_refused(void **state)
{
	static const int numbers[] = {SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_kill, SYS_tkill,
		SYS_tgkill, SYS_ioctl, SYS_memfd_create, SYS_setuid, SYS_fchdir, SYS_symlinkat,
		SYS_fchmod, SYS_fchownat, SYS_pidfd_open, SYS_mknodat, 999};

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			assert_int_equal(judge(roles[i], numbers[k], 0, 0), REFUSED);
	}
	assert_int_equal(judge(SRV_GATE, SYS_openat, 2, O_RDONLY), REFUSED);
	assert_int_equal(judge(SRV_AUTH, SYS_accept4, 0, 0), REFUSED);
	assert_int_equal(judge(SRV_AUTH, SYS_unlinkat, 0, 0), REFUSED);
}

static void test_what_only_an_intruder_calls_ends_the_process(void **state)
{
	(void)state;
	for (const struct confine_call *c = seccomp_fatal_calls; c->roles; c++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(judge(roles[i], c->number, 0, 0), SECCOMP_RET_KILL_PROCESS);
	}
}

static void test_calls_of_another_abi_end_the_process(void **state)
{
	static struct seccomp_program p;
	struct seccomp_data d = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};

	(void)state;
	seccomp_assemble(&p, SRV_MAIL);
	assert_int_equal(run(&p, &d), SECCOMP_RET_KILL_PROCESS);
	d.arch = HERE;
	assert_int_equal(run(&p, &d), SECCOMP_RET_ALLOW);
	d.nr |= 0x40000000; /* x32 */
	assert_int_equal(run(&p, &d), SECCOMP_RET_KILL_PROCESS);
}

static void test_arguments_are_looked_at(void **state)
{
	(void)state;
	assert_int_equal(judge(SRV_MAIL, SYS_mmap, 2, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(SRV_MAIL, SYS_mmap, 2, PROT_READ | PROT_EXEC), REFUSED);
	assert_int_equal(judge(SRV_MAIL, SYS_mprotect, 2, PROT_EXEC), REFUSED);
	assert_int_equal(judge(SRV_AUTH, SYS_openat, 2, O_RDONLY | O_CLOEXEC), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(SRV_AUTH, SYS_openat, 2, O_WRONLY), REFUSED);
	assert_int_equal(judge(SRV_AUTH, SYS_openat, 2, O_RDWR), REFUSED);
	assert_int_equal(judge(SRV_AUTH, SYS_openat, 2, O_RDONLY | O_CREAT), REFUSED);
	/* A thread, not a process. */
	assert_int_equal(judge(SRV_MAIL, SYS_clone, 0, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS),
		SECCOMP_RET_ALLOW);
	assert_int_equal(judge(SRV_MAIL, SYS_clone, 0, CLONE_VM | CLONE_VFORK | SIGCHLD), REFUSED);
	assert_int_equal(judge(SRV_GATE, SYS_clone, 0, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND), REFUSED);
	/* All 64 bits of a value count. */
	assert_int_equal(judge(SRV_GATE, SYS_fcntl, 1, F_GETFL), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(SRV_GATE, SYS_fcntl, 1, F_GETFL | 1ull << 32), REFUSED);
	assert_int_equal(judge(SRV_GATE, SYS_fcntl, 1, F_SETOWN), REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_line_of_the_table_lets_its_call_pass_for_its_roles),
		cmocka_unit_test(test_what_is_not_listed_is_refused),
		cmocka_unit_test(test_what_only_an_intruder_calls_ends_the_process),
		cmocka_unit_test(test_calls_of_another_abi_end_the_process),
		cmocka_unit_test(test_arguments_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
