/* SPDX-License-Identifier: 0BSD */
#include "features/sandbox/seccomp/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/hooks.h"

#define LOW(arg)  ((uint32_t)(offsetof(struct seccomp_data, args) + 8u * (arg)))
#define HIGH(arg) (LOW(arg) + 4) /* both architectures are little endian */

/* Calls of x86-64's other ABI, x32, have this bit and would pass by the list. */
#define FOREIGN_ABI 0x40000000u

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "seccomp: name this architecture here, and try the table of calls on it"
#endif

static void emit(struct seccomp_program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->n == SECCOMP_PROGRAM_MAX)
		p->failed = true;
	else
		p->code[p->n++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct seccomp_program *p, uint32_t at)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
}

static void answer(struct seccomp_program *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, 0, 0, action);
}

/* The accumulator holds the number before and after; a call that fits gets `action`. */
static void emit_call(struct seccomp_program *p, const struct confine_call *c, uint32_t action)
{
	uint32_t number = (uint32_t)c->number;

	if (c->number < 0)
		return;
	switch ((enum confine_test)c->test) {
	case CONFINE_ANY:
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number);
		answer(p, action);
		return;
	case CONFINE_EQUAL:
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, number);
		load(p, HIGH(c->arg));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0);
		load(p, LOW(c->arg));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, c->value);
		break;
	case CONFINE_NO_BITS:
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, number);
		load(p, LOW(c->arg));
		emit(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, c->value);
		break;
	case CONFINE_BITS:
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, number);
		load(p, LOW(c->arg));
		emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, c->value);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, c->value);
		break;
	}
	answer(p, action);
	load(p, offsetof(struct seccomp_data, nr));
}

static void emit_table(struct seccomp_program *p, const struct confine_call *table,
	enum srv_role role, uint32_t action)
{
	for (; table && table->roles; table++) {
		if (table->roles & 1u << role)
			emit_call(p, table, action);
	}
}

void seccomp_assemble(struct seccomp_program *p, enum srv_role role)
{
	*p = (struct seccomp_program){.n = 0};
	load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
	answer(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, FOREIGN_ABI);
	answer(p, SECCOMP_RET_KILL_PROCESS);
	emit_table(p, seccomp_core_calls, role, SECCOMP_RET_ALLOW);
	FEATURE_EACH (f)
		emit_table(p, f->calls, role, SECCOMP_RET_ALLOW);
	emit_table(p, seccomp_fatal_calls, role, SECCOMP_RET_KILL_PROCESS);
	answer(p, SECCOMP_RET_ERRNO | EPERM);
}

static const char *seccomp_confine(const struct confine *c)
{
	static struct seccomp_program p;
	struct sock_fprog program = {.filter = p.code};

	/* The C library and the sanitizers of the test flavour make other calls. */
	if (SATCHEL_HOST)
		return NULL;
	seccomp_assemble(&p, c->role);
	program.len = (unsigned short)p.n;
	if (p.failed)
		return "the filter is too long";
	/* Since Linux 4.14 the flag has refusals noted in the kernel's log. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &program) == 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
		return NULL;
	return strerror(errno);
}

const struct feature seccomp_feature = {
	.name = "seccomp",
	.confine_calls = seccomp_confine,
};
