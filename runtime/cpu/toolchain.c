/* SPDX-License-Identifier: MIT */
/* Finding the C compiler and saying exactly which it is. */
#include "runtime/cpu/toolchain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "runtime/system/spawn.h"

const char *const *toolchain_flags(void) {
  static const char *const flags[] = {
    "-O3",
    "-std=gnu11",
    "-fPIC",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-Werror=implicit-function-declaration", /* it is not in the prelude: a fault of ours */
#if defined __x86_64__ || defined __i386__
    "-march=native",
    "-mprefer-vector-width=512",
#elif defined __aarch64__
    "-mcpu=native",
#endif
    NULL
  };
  return flags;
}

static const char no_compiler[] =
    "kernels are compiled when a program first runs, which takes a C compiler "
    "(Debian: apt-get install gcc libc6-dev)";

/* The value of the first line of /proc/cpuinfo whose name is `name`. */
static void cpu_line(const char *text, const char *name, StrBuf *out) {
  const char *p = text;
  size_t n = strlen(name);
  while (p != NULL && strncmp(p, name, n) != 0) {
    p = strchr(p, '\n');
    if (p != NULL) p++;
  }
  const char *colon = p != NULL ? strchr(p, ':') : NULL;
  if (colon == NULL) return;
  sb_write(out, colon + 1, strcspn(colon + 1, "\n"));
}

static char *cpu_text(const char *const *names, unsigned long capabilities) {
  StrBuf out = {0};
  char text[16384];
  FILE *f = fopen("/proc/cpuinfo", "re");
  size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
  if (f != NULL) fclose(f);
  text[n] = '\0';
  for (int i = 0; names[i] != NULL; i++) cpu_line(text, names[i], &out);
  if (capabilities != 0 || out.s == NULL)
    sb_printf(&out, " hwcap %lx %lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  return out.s;
}

char *cpu_model(void) {
  static const char *const names[] = {"model name", "Hardware", NULL};
  char *s = cpu_text(names, 0);
  if (s != NULL && *s == ' ') memmove(s, s + 1, strlen(s));
  return s;
}

bool cpu_tiles(void) {
  static const char *const names[] = {"flags", NULL};
  static const char *const needed[] = {"avx512f", "amx_tile", "amx_bf16"};
  const char *given = getenv("TDC_CFLAGS"); /* kernels as on another processor */
  char *flags = cpu_text(names, 0);
  bool all = flags != NULL && (given == NULL || ((strstr(given, "-DTD_NARROW_BODY=") == NULL ||
                                                  strstr(given, "-DTD_NARROW_BODY=2") != NULL) &&
                                                 strstr(given, "-mno-amx") == NULL &&
                                                 strstr(given, "-mno-avx") == NULL));
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
    all = all && strstr(flags, needed[i]) != NULL;
  free(flags);
  return all;
}

/* Everything -march=native may look at. */
static char *cpu_identity(void) {
  static const char *const names[] = {"vendor_id", "cpu family", "model\t",         "model name",
                                      "stepping",  "flags",      "CPU implementer", "CPU part",
                                      "Features",  NULL};
  return cpu_text(names, 1);
}

static bool toolchain_version(Toolchain *t, const volatile sig_atomic_t *stop, TdError *err) {
  const char **argv = calloc((size_t)t->nwords + 2, sizeof *argv);
  if (argv == NULL) return td_fail_memory(err);
  for (int i = 0; i < t->nwords; i++) argv[i] = t->words[i];
  argv[t->nwords] = "--version";
  static const char *const env[] = {"LC_ALL=C", NULL};
  SpawnJob job = {.argv = argv, .extra_env = env, .timeout = 20};
  bool ok = spawn_all(&job, 1, 1, stop);
  struct stat st = {0};
  if (ok && stat(t->path, &st) == 0) {
    StrBuf v = {0};
    sb_printf(&v, "%s %lld %lld %s", t->path, (long long)st.st_size, (long long)st.st_mtime,
              job.output.s != NULL ? job.output.s : "");
    t->version = v.s;
  } else if (job.cancelled) {
    td_fail(err, TD_STOPPED, "stopped");
  } else if (job.error == ENOMEM) {
    td_fail_memory(err);
  } else {
    td_fail(err, TD_NO_TOOL, "the C compiler '%s' does not work: `%s --version` %s; %s",
            t->words[0], t->words[0], job.timed_out ? "did not end within 20 seconds" : "failed",
            no_compiler);
  }
  sb_free(&job.output);
  free(argv);
  return t->version != NULL;
}

static const char *const usual[] = {"cc", "gcc", "clang", NULL};

/* What the environment names, and in which variable; or NULL. */
static const char *named_compiler(const char **variable) {
  const char *named = getenv(*variable = "TDC_CC");
  if (named == NULL || *named == '\0') named = getenv(*variable = "CC");
  return named != NULL && *named != '\0' ? named : NULL;
}

char *toolchain_missing(void) {
  const char *variable, *named = named_compiler(&variable);
  StrBuf tried = {0};
  if (named != NULL) {
    int n;
    char **words = spawn_words(named, &n);
    bool sound = words != NULL && n > 0 && words[0][0] != '-';
    char *path = sound ? spawn_which(words[0]) : NULL;
    if (sound && path == NULL && errno != ENOMEM)
      sb_printf(&tried, "$%s: %.200s", variable, words[0]);
    free(path);
    free(words);
    return tried.s;
  }
  for (int i = 0; usual[i] != NULL; i++) {
    char *path = spawn_which(usual[i]);
    if (path == NULL && errno != ENOMEM) {
      sb_printf(&tried, "%s%s", i > 0 ? ", " : "", usual[i]);
      continue;
    }
    free(path);
    sb_free(&tried);
    return NULL;
  }
  return tried.s;
}

bool toolchain_find(Toolchain *t, const volatile sig_atomic_t *stop, TdError *err) {
  *t = (Toolchain){0};
  const char *variable, *named = named_compiler(&variable), *flags = getenv("TDC_CFLAGS");
  if (named != NULL) {
    t->words = spawn_words(named, &t->nwords);
    if (t->words == NULL || t->nwords == 0 || t->words[0][0] == '-') {
      if (t->words == NULL && errno == ENOMEM)
        td_fail_memory(err);
      else
        td_fail(err, TD_NO_TOOL, "$%s is not a compiler's name with arguments: %.200s", variable,
                named);
      toolchain_free(t);
      return false;
    }
    t->path = spawn_which(t->words[0]);
    if (t->path == NULL) {
      if (errno == ENOMEM)
        td_fail_memory(err);
      else
        td_fail(err, TD_NO_TOOL, "$%s names the C compiler '%.200s', which is not here; %s",
                variable, t->words[0], no_compiler);
      toolchain_free(t);
      return false;
    }
  }
  for (int i = 0; t->path == NULL && usual[i] != NULL; i++)
    if ((t->path = spawn_which(usual[i])) != NULL)
      t->words = spawn_words(usual[i], &t->nwords);
    else if (errno == ENOMEM)
      return td_fail_memory(err);
  if (t->path == NULL)
    return td_fail(err, TD_NO_TOOL, "no C compiler found (tried cc, gcc, clang); %s", no_compiler);
  t->extra = spawn_words(flags != NULL ? flags : "", &t->nextra);
  if (t->extra == NULL && errno == EINVAL) {
    td_fail(err, TD_NO_TOOL, "$TDC_CFLAGS has a quote that is not closed: %.200s", flags);
    toolchain_free(t);
    return false;
  }
  t->cpu = cpu_identity();
  if (t->words == NULL || t->extra == NULL || t->cpu == NULL || !toolchain_version(t, stop, err)) {
    if (t->version == NULL && t->words != NULL && t->extra != NULL &&
        t->cpu != NULL) { /* said already */
    } else
      td_fail_memory(err);
    toolchain_free(t);
    return false;
  }
  return true;
}

void toolchain_free(Toolchain *t) {
  free(t->words);
  free(t->extra);
  free(t->path);
  free(t->version);
  free(t->cpu);
  *t = (Toolchain){0};
}
