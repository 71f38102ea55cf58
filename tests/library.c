/* SPDX-License-Identifier: MIT */
/* See library.h. */
#define _GNU_SOURCE
#include "tests/library.h"

#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dsl/base.h"
#include "runtime/prelude.h"
#include "tests/quick.h"

extern char **environ;

/* A function of the library: a kernel's code behind its name. */
typedef struct Function {
  const char *code;
  size_t length;
} Function;

struct Library {
  Arena *arena;
  const TdProgram **programs;
  int n;
  int **function; /* [program][kernel] */
  VEC(Function) functions;
  Kernel **address; /* by function */
  void *handle;
};

/* "(const TdCall *call, ..." of a kernel, which stands behind a comment and its name. */
static const char *code_of(const TdKernel *k) {
  StrBuf head = {0};
  sb_printf(&head, "void %s(", k->name);
  const char *at = strstr(k->source, head.s);
  if (!at) bug("no function %s in:\n%s", k->name, k->source);
  at += head.n - 1;
  sb_free(&head);
  return at;
}

static int function_of(Library *l, const TdKernel *k) {
  Function f = {code_of(k), 0};
  f.length = strlen(f.code);
  for (int i = 0; i < l->functions.n; i++) {
    const Function *o = &l->functions.at[i];
    if (o->length == f.length && memcmp(o->code, f.code, f.length) == 0) return i;
  }
  vec_push(l->arena, &l->functions, f);
  return l->functions.n - 1;
}

/* The names of programs clash, so functions are named by number; a comment tells whose
 * kernel it was first. */
static void write_kernel(StrBuf *out, const TdProgram *p, const TdKernel *k, int number) {
  const char *code = code_of(k), *name = code - strlen(k->name);
  int before = (int)(name - k->source);
  sb_printf(out, "\n/* %s of %s */\n%.*skernel_%d%s", k->name, p->name, before, k->source, number,
            code);
}

/* The kernels behind what they need of the prelude. */
static bool write_file(const char *path, const char *prelude, const StrBuf *kernels) {
  Prelude *p = prelude_read(prelude);
  StrBuf part = {0};
  FILE *f = fopen(path, "w");
  bool ok = f && p && prelude_part(p, kernels->s ? kernels->s : "", false, &part);
  if (ok) ok = fprintf(f, "%s%s", part.s, kernels->s ? kernels->s : "") > 0;
  if (f) ok = fclose(f) == 0 && ok;
  sb_free(&part);
  prelude_free(p);
  return ok;
}

static bool write_text(Library *l, const char *path) {
  StrBuf kernels = {0};
  for (int i = 0; i < l->n; i++) {
    const TdProgram *p = l->programs[i];
    if (strcmp(p->prelude, l->programs[0]->prelude) != 0) bug("programs with different preludes");
    l->function[i] = NEWN(l->arena, int, p->nkernels + 1);
    for (int k = 0; k < p->nkernels; k++) {
      l->function[i][k] = -1;
      if (p->kernels[k].kind == TD_PRODUCT) continue;
      int known = l->functions.n, at = function_of(l, &p->kernels[k]);
      l->function[i][k] = at;
      if (at < known) continue;
      write_kernel(&kernels, p, &p->kernels[k], at);
    }
  }
  bool ok = write_file(path, l->programs[0]->prelude, &kernels);
  sb_free(&kernels);
  return ok;
}

/* A cross compiler does not know the machine that emulates another. */
#if defined __x86_64__
#define NATIVE "-march=native"
#else
#define NATIVE "-g0"
#endif

static bool run_cc(const char *const *flags, const char *from, const char *to) {
  static const char *const plain[] = {QUICK_LIST, NULL};
  const char *argv[40] = {"cc",
                          "-std=gnu11",
                          "-fPIC",
                          "-shared",
                          "-fopenmp-simd",
                          "-fno-math-errno",
                          "-fno-trapping-math",
                          "-ffp-contract=fast",
                          NATIVE,
                          "-Wall",
                          "-Wextra",
                          "-Werror",
                          "-Wno-aggressive-loop-optimizations",
                          "-Wno-unused-variable"};
  int n = 14;
  for (const char *const *f = flags ? flags : plain; *f && n < 34; f++) argv[n++] = *f;
  argv[n++] = "-o";
  argv[n++] = to;
  argv[n++] = from;
  argv[n++] = "-lm";
  argv[n] = NULL;
  pid_t pid;
  int status;
  if (posix_spawnp(&pid, "cc", NULL, NULL, (char *const *)argv, environ) != 0) return false;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool load(Library *l, const char *path) {
  l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!l->handle) fprintf(stderr, "%s\n", dlerror());
  l->address = NEWN(l->arena, Kernel *, l->functions.n + 1);
  for (int i = 0; i < l->functions.n && l->handle; i++) {
    char name[32];
    snprintf(name, sizeof name, "kernel_%d", i);
    void *f = dlsym(l->handle, name);
    if (!f) bug("no function %s", name);
    memcpy(&l->address[i], &f, sizeof f);
  }
  return l->handle != NULL;
}

Library *library_new(const TdProgram *const *programs, int n, const char *const *flags) {
  char folder[] = "/tmp/tdc-test-XXXXXX", source[64], library[64];
  if (!mkdtemp(folder)) return NULL;
  snprintf(source, sizeof source, "%s/k.c", folder);
  snprintf(library, sizeof library, "%s/k.so", folder);
  Arena *a = arena_new();
  Library *l = NEW(a, Library);
  *l = (Library){.arena = a, .n = n};
  l->programs = NEWN(a, const TdProgram *, n);
  memcpy(l->programs, programs, (size_t)n * sizeof *programs);
  l->function = NEWN(a, int *, n);
  bool made = write_text(l, source) && run_cc(flags, source, library), loaded = made;
  if (made)
    loaded = load(l, library);
  else
    fprintf(stderr, "cc failed; the source is %s\n", source);
  unlink(library);
  if (made && !getenv("TDC_KEEP")) {
    unlink(source);
    rmdir(folder);
  } else if (made) {
    fprintf(stderr, "kept %s\n", source);
  }
  if (loaded) return l;
  library_free(l);
  return NULL;
}

void library_free(Library *l) {
  if (!l) return;
  if (l->handle) dlclose(l->handle);
  arena_free(l->arena);
}

const TdProgram *library_program(const Library *l, int program) { return l->programs[program]; }

Kernel *library_kernel(const Library *l, int program, int kernel) {
  return l->address[l->function[program][kernel]];
}
