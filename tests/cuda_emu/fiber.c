/* SPDX-License-Identifier: MIT */
/* Stacks to run a block's threads on, and the switch between them: of x86-64 in fiber.h, of
 * aarch64 here; where neither is for, ucontext does it, slowly. Stacks are taken again in
 * reverse order, so that few are touched; their tops lie at different places of the caches'
 * sets. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/cuda_emu/fiber.h"

enum { PAGE = 4096, MOST_FIBERS = MOST_THREADS + 8 };

static Fiber fibers[MOST_FIBERS];
static int nfibers;
static Fiber *unused;

#if defined(__x86_64__)
static void prepare(Fiber *f, char *top) {
  uintptr_t *sp = (uintptr_t *)top;
  *--sp = 0; /* fiber_body returns nowhere; the stack is aligned as after a call */
  *--sp = (uintptr_t)fiber_body;
  f->sp = sp;
}
#elif defined(__aarch64__)
__asm__(".text\n"
        ".hidden fiber_switch\n.globl fiber_switch\n.type fiber_switch, %function\n"
        "fiber_switch:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n  str x9, [x0]\n"
        "  mov sp, x1\n"
        "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size fiber_switch, .-fiber_switch\n");

static void prepare(Fiber *f, char *top) {
  uintptr_t *sp = (uintptr_t *)top - 20;
  memset(sp, 0, 160);
  sp[11] = (uintptr_t)fiber_body; /* x30 */
  f->sp = sp;
}
#else
#include <ucontext.h>
static ucontext_t contexts[MOST_FIBERS], home;
static void *running; /* whose context this is; NULL: the caller of the first */
static ucontext_t *of(void *sp) { return sp != NULL ? sp : &home; }

void fiber_switch(void **from, void *to) {
  void *mine = running;
  *from = mine != NULL ? mine : &home;
  running = to == (void *)&home ? NULL : to;
  swapcontext(of(mine), of(to));
}

static void prepare(Fiber *f, char *top) {
  ucontext_t *c = &contexts[f - fibers];
  getcontext(c);
  c->uc_stack.ss_sp = f->stack;
  c->uc_stack.ss_size = (size_t)(top - f->stack);
  c->uc_link = NULL;
  makecontext(c, fiber_body, 0);
  f->sp = c;
}
#endif

/* The n-th begins a few cache lines below the n-1-th's beginning, within its stack. */
static void fresh(Fiber *f) {
  size_t shift = (size_t)(f - fibers) % 32 * 192;
  prepare(f, f->stack + FIBER_STACK - shift);
}

static Fiber *make(void) {
  if (nfibers == MOST_FIBERS) abort();
  char *map = mmap(NULL, FIBER_STACK + PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (map == MAP_FAILED || mprotect(map, PAGE, PROT_NONE) != 0) abort();
  Fiber *f = &fibers[nfibers++];
  f->stack = map + PAGE;
  fresh(f);
  return f;
}

Fiber *fiber_take(void) {
  Fiber *f = unused;
  if (f == NULL) return make();
  unused = f->next;
  return f;
}

void fiber_return(Fiber *f) {
  f->next = unused;
  unused = f;
}

void fiber_forget_all(void) {
  unused = NULL;
#if !defined(__x86_64__) && !defined(__aarch64__)
  running = NULL;
#endif
  for (int i = nfibers; i-- > 0;) {
    fresh(&fibers[i]);
    fiber_return(&fibers[i]);
  }
}

Fiber *fiber_of(uintptr_t address) {
  for (int i = 0; i < nfibers; i++) {
    uintptr_t low = (uintptr_t)fibers[i].stack;
    if (address >= low - PAGE && address < low + FIBER_STACK) return &fibers[i];
  }
  return NULL;
}
