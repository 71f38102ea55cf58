/* SPDX-License-Identifier: MIT */
/* Threads' stacks, and the switch from one to another. */
#ifndef TDC_CUDA_EMU_FIBER_H
#define TDC_CUDA_EMU_FIBER_H

#include "tests/cuda_emu/emu.h"

typedef struct Fiber {
  void *sp;
  char *stack; /* its lowest byte; below lies a page that nobody can reach */
  struct Fiber *next;
} Fiber;
enum { FIBER_STACK = 256 << 10 };
Fiber *fiber_take(void); /* one that will run fiber_body, or goes on in it */
void fiber_return(Fiber *f);
void fiber_forget_all(void);        /* what ran on them is given up */
void fiber_body(void);              /* engine.c; never returns */
Fiber *fiber_of(uintptr_t address); /* whose stack, or the page below it, this is; or NULL */

/* Keeps this stack's place in *from and goes on where `to` was kept. */
#if defined(__x86_64__)
/* What the compiler keeps in registers it saves around this by itself, once. The place is a
 * jump's target and no call's, so the processor's guesses of returns stay right. */
static inline __attribute__((always_inline)) void fiber_switch(void **from, void *to) {
  __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t" /* below it functions may write */
                   "pushq %%rbp\n\t"
                   "leaq 1f(%%rip), %%rcx\n\t"
                   "pushq %%rcx\n\t"
                   "movq %%rsp, (%%rdi)\n\t"
                   "movq %%rsi, %%rsp\n\t"
                   "popq %%rcx\n\t"
                   "jmp *%%rcx\n"
                   "1:\tpopq %%rbp\n\t"
                   "leaq 128(%%rsp), %%rsp"
                   : "+D"(from), "+S"(to)
                   :
                   : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                     "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                     "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
}
#else
void fiber_switch(void **from, void *to);
#endif

/* Who waits returns after others have called: the processor's guess of where would be theirs.
 * So kernels call by way of a jump, which it guesses by what came before. */
#if defined(__x86_64__)
#define ENTRY(name)                                                                             \
  __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n"                   \
          "  subq $8, %rsp\n  call " #name "_body\n  addq $8, %rsp\n  popq %rcx\n  jmp *%rcx\n" \
          ".size " #name ", .-" #name "\n")
#define BODY(name) name##_body
#else
#define ENTRY(name) _Static_assert(1, "")
#define BODY(name) name
#endif

#endif
