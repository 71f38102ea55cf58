/* SPDX-License-Identifier: MIT */
/* NVRTC by the C compiler: head.h, the text and the table of its kernels become a shared
 * object, whose bytes are the cubin. What C allows and C++ does not is an error, as is what
 * NVRTC has not: headers. With TDC_EMU_CHECK=1 every load and store calls the shadow of the
 * driver (shadow.c): the instrumentation is -fsanitize=thread's, its library is not used. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/ptx.h"
#include "tests/cuda_emu/scan.h"

extern char **environ;

struct EmuCompilation {
  char *source, *name, *log, *cubin;
  size_t cubin_bytes;
  int capability;
  bool specific, real, verbose, contract;
};

#define FAIL_ON_DEMAND()                                             \
  do {                                                               \
    int asked_ = fault_wanted(__func__, NVRTC_ERROR_INTERNAL_ERROR); \
    if (asked_ != 0) return (nvrtcResult)asked_;                     \
  } while (0)

static bool checked(void) { return setting("TDC_EMU_CHECK", 0) != 0; }
static bool by_ptx(void) { return setting("TDC_EMU_PTX", 0) != 0; }

const char *nvrtcGetErrorString(nvrtcResult code) {
  switch (code) {
  case NVRTC_SUCCESS: return "NVRTC_SUCCESS";
  case NVRTC_ERROR_OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
  case NVRTC_ERROR_PROGRAM_CREATION_FAILURE: return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
  case NVRTC_ERROR_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
  case NVRTC_ERROR_INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
  case NVRTC_ERROR_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
  case NVRTC_ERROR_COMPILATION: return "NVRTC_ERROR_COMPILATION";
  case NVRTC_ERROR_INTERNAL_ERROR: return "NVRTC_ERROR_INTERNAL_ERROR";
  }
  return "NVRTC_ERROR unknown";
}

/* The minor number tells how kernels are made here: caches keep them apart. */
nvrtcResult nvrtcVersion(int *major, int *minor) {
  FAIL_ON_DEMAND();
  if (major == NULL || minor == NULL) return NVRTC_ERROR_INVALID_INPUT;
  *major = 13;
  *minor = checked() + 2 * by_ptx();
  return NVRTC_SUCCESS;
}

static const int archs[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  if (count == NULL) return NVRTC_ERROR_INVALID_INPUT;
  *count = sizeof archs / sizeof *archs;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int *to) {
  if (to == NULL) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(to, archs, sizeof archs);
  return NVRTC_SUCCESS;
}

/* ---- programs ------------------------------------------------------------------------- */

nvrtcResult nvrtcCreateProgram(nvrtcProgram *p, const char *source, const char *name, int nheaders,
                               const char *const *headers, const char *const *names) {
  FAIL_ON_DEMAND();
  (void)headers, (void)names;
  if (p == NULL || source == NULL || nheaders < 0) return NVRTC_ERROR_INVALID_INPUT;
  if (nheaders > 0) return NVRTC_ERROR_PROGRAM_CREATION_FAILURE; /* texts include nothing */
  nvrtcProgram made = calloc(1, sizeof *made);
  if (made == NULL) return NVRTC_ERROR_OUT_OF_MEMORY;
  made->source = strdup(source);
  made->name = strdup(name != NULL ? name : "default_program");
  made->log = strdup("");
  *p = made;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *p) {
  FAIL_ON_DEMAND();
  if (p == NULL || *p == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  free((*p)->source), free((*p)->name), free((*p)->log), free((*p)->cubin);
  free(*p);
  *p = NULL;
  return NVRTC_SUCCESS;
}

/* The log takes the text over. */
static nvrtcResult end(nvrtcProgram p, nvrtcResult r, char *log) {
  if (log != NULL) {
    free(p->log);
    p->log = log;
  }
  return r;
}

/* ---- options --------------------------------------------------------------------------- */

static bool read_arch(nvrtcProgram p, const char *text) {
  p->real = strncmp(text, "sm_", 3) == 0;
  if (!p->real && strncmp(text, "compute_", 8) != 0) return false;
  char *rest;
  p->capability = (int)strtol(text + (p->real ? 3 : 8), &rest, 10);
  p->specific = *rest == 'a' || *rest == 'f';
  if (rest[p->specific] != '\0') return false;
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
    if (archs[i] == p->capability) return true;
  return false;
}

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static bool read_option(nvrtcProgram p, const char *o) {
  static const char *const taken[] = {"--std=c++",          "-std=c++",
                                      "-default-device",    "--device-as-default",
                                      "-lineinfo",          "--generate-line-info",
                                      "--restrict",         "-w",
                                      "--disable-warnings", "--maxrregcount=",
                                      "--diag-suppress="};
  if (begins(o, "--gpu-architecture=")) return read_arch(p, strchr(o, '=') + 1);
  if (begins(o, "-arch=")) return read_arch(p, o + 6);
  if (begins(o, "--ptxas-options=")) {
    p->verbose |= strstr(o, "-v") != NULL;
    return true;
  }
  if (strcmp(o, "--fmad=true") == 0 || strcmp(o, "-fmad=true") == 0) return p->contract = true;
  if (strcmp(o, "--fmad=false") == 0 || strcmp(o, "-fmad=false") == 0)
    return !(p->contract = false);
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    if (begins(o, taken[i])) return true;
  return false;
}

/* ---- the C compiler ---------------------------------------------------------------------- */

/* Its exit status; what it says goes to the file `said`. */
static int run(const char *const *argv, const char *said) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, said, O_WRONLY | O_CREAT | O_APPEND,
                                   0600);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid;
  int status = -1;
  if (posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)argv, environ) == 0)
    while (waitpid(pid, &status, 0) < 0) {}
  posix_spawn_file_actions_destroy(&files);
  return status;
}

static char *read_file(const char *path, size_t *bytes) {
  FILE *f = fopen(path, "rb");
  *bytes = 0;
  if (f == NULL) return NULL;
  fseek(f, 0, SEEK_END);
  long n = ftell(f);
  rewind(f);
  char *text = malloc((size_t)n + 1);
  if (text != NULL) *bytes = fread(text, 1, (size_t)n, f), text[*bytes] = '\0';
  fclose(f);
  return text;
}

/* FILE:LINE:COLUMN: error: ...   ->   FILE(LINE): error: ... */
static char *as_nvrtc(const char *said) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  for (const char *p = said; *p != '\0';) {
    int length = (int)strcspn(p, "\n"), name = 0, number = 0, after = 0;
    char line[16];
    if (sscanf(p, "%*[^:\n]%n:%15[0-9]%n:%*d: %n", &name, line, &number, &after) == 1 && after > 0)
      fprintf(out, "%.*s(%s): %.*s\n", name, p, line, length - after, p + after);
    else
      fprintf(out, "%.*s\n", length, p);
    p += length;
    p += *p == '\n';
  }
  fclose(out);
  return text;
}

static bool write_unit(const char *path, nvrtcProgram p, const char *source, const char *table) {
  FILE *f = fopen(path, "w");
  if (f == NULL) return false;
  fprintf(f, "#line 1 \"head.h\"\n%s\n#line 1 \"%s\"\n%s\n#line 1 \"table\"\n%s", head_text(),
          p->name, source, table);
  return fclose(f) == 0;
}

/* What lies beside this library. */
static void beside(const char *name, char *path, size_t room) {
  Dl_info info;
  *path = '\0';
  if (dladdr(archs, &info) == 0) return;
  const char *slash = strrchr(info.dli_fname, '/');
  int folder = slash != NULL ? (int)(slash - info.dli_fname) : 1;
  snprintf(path, room, "%.*s/%s", folder, slash != NULL ? info.dli_fname : ".", name);
}

/* What stands behind head.h: the source's table, or its PTX as C, in which the table is. NULL:
 * the log, or what programs said, tells why. */
static char *table_of(nvrtcProgram p, const char *folder, char **names, char **log) {
  if (!by_ptx())
    return scan_table(p->source, head_number(), p->capability, p->specific, checked(), names);
  char arch[16], program[PATH_MAX], in[PATH_MAX], out[PATH_MAX], said[PATH_MAX];
  size_t bytes;
  snprintf(arch, sizeof arch, "sm_%d%s", p->capability, p->specific ? "a" : "");
  snprintf(in, sizeof in, "%s/unit.cu", folder);
  snprintf(out, sizeof out, "%s/unit.ptx", folder);
  snprintf(said, sizeof said, "%s/said", folder);
  beside("ptx_of", program, sizeof program);
  FILE *f = fopen(in, "w");
  if (f == NULL || fputs(p->source, f) < 0 || fclose(f) != 0) return NULL;
  const char *const argv[] = {program, arch, in, p->name, out, NULL};
  char *ptx = run(argv, said) == 0 ? read_file(out, &bytes) : NULL;
  if (ptx == NULL) {
    *log = read_file(said, &bytes);
    return NULL;
  }
  p->contract = false; /* what is one operation is one in PTX */
  char *c =
      ptx_to_c(ptx, p->name, head_number(), p->capability, p->specific, checked(), names, log);
  free(ptx);
  return c;
}

static int compile(nvrtcProgram p, const char *folder, const char *driver) {
  char in[PATH_MAX], object[PATH_MAX], out[PATH_MAX], said[PATH_MAX];
  snprintf(in, sizeof in, "%s/unit.c", folder);
  snprintf(object, sizeof object, "%s/unit.o", folder);
  snprintf(out, sizeof out, "%s/unit.so", folder);
  snprintf(said, sizeof said, "%s/said", folder);
  const char *cc = getenv("TDC_EMU_CC");
  if (cc == NULL || *cc == '\0') cc = "cc";
  const char *contract = getenv("TDC_EMU_CONTRACT");
  bool fused = p->contract && (contract == NULL || strcmp(contract, "off") != 0);
  const char *const to_object[] = {
    cc,
    "-x",
    "c",
    "-std=gnu11",
    "-Og",              /* half the time of -O1; what runs is mostly the engine's */
    "-fira-region=one", /* this and the next four: a tenth less */
    "-fno-reorder-blocks",
    "-fno-guess-branch-probability",
    "-fno-shrink-wrap",
    "-fno-cprop-registers",
#if defined(__x86_64__)
    "-march=native",
#endif
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-common",
    "-fstack-clash-protection", /* a guard page is not jumped over */
    fused ? "-ffp-contract=fast" : "-ffp-contract=off",
    "-Werror=implicit-function-declaration",
    "-Werror=implicit-int",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    "-Werror=return-type",
    "-Werror=vla",
    "-Werror=c++-compat",
    "-Wno-unused",
    "-Wno-attributes",
    "-c",
    in,
    "-o",
    object,
    checked() ? "-fsanitize=thread" : NULL,
    "-gdwarf-4",
    "-g1", /* lines alone; the former would ask for more, were it last */
    NULL
  };
  const char *const to_shared[] = {cc, "-shared", "-o", out, object, driver, "-lm", NULL};
  int status = run(to_object, said);
  if (status == 0) status = run(to_shared, said);
  return status;
}

/* As ptxas tells with -v: the numbers are nobody's. */
static char *resources(nvrtcProgram p, const char *names) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  if (p->verbose) fprintf(out, "ptxas info    : 0 bytes gmem\n");
  for (const char *n = names; p->verbose && *n != '\0'; n += strcspn(n, "\n") + 1) {
    int length = (int)strcspn(n, "\n");
    fprintf(out, "ptxas info    : Compiling entry function '%.*s' for 'sm_%d%s'\n", length, n,
            p->capability, p->specific ? "a" : "");
    fprintf(out, "ptxas info    : Function properties for %.*s\n", length, n);
    fprintf(out, "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n");
    fprintf(out, "ptxas info    : Used 32 registers, used 1 barriers\n");
  }
  fclose(out);
  return text;
}

static void remove_folder(const char *folder) {
  static const char *const files[] = {"unit.c", "unit.o", "unit.so", "said", "unit.cu", "unit.ptx"};
  char path[PATH_MAX];
  for (int i = 0; i < 6; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    unlink(path);
  }
  rmdir(folder);
}

static nvrtcResult compile_in(nvrtcProgram p, const char *folder) {
  char path[PATH_MAX], driver[PATH_MAX], *names = NULL, *log = NULL;
  size_t bytes;
  char *table = table_of(p, folder, &names, &log);
  if (table == NULL) return end(p, NVRTC_ERROR_COMPILATION, log);
  snprintf(path, sizeof path, "%s/unit.c", folder);
  bool written = write_unit(path, p, by_ptx() ? "" : p->source, table);
  beside("libcuda.so.1", driver, sizeof driver); /* modules call it */
  int status = written ? compile(p, folder, driver) : -1;
  snprintf(path, sizeof path, "%s/said", folder);
  char *said = read_file(path, &bytes);
  if (status == 0) {
    snprintf(path, sizeof path, "%s/unit.so", folder);
    p->cubin = read_file(path, &p->cubin_bytes);
    log = resources(p, names);
  } else if (said != NULL) {
    log = as_nvrtc(said);
  }
  free(table), free(names), free(said);
  return end(p,
             !written                          ? NVRTC_ERROR_INTERNAL_ERROR
             : status != 0 || p->cubin == NULL ? NVRTC_ERROR_COMPILATION
                                               : NVRTC_SUCCESS,
             log);
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int n, const char *const *options) {
  FAIL_ON_DEMAND();
  if (p == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  if (n < 0 || (n > 0 && options == NULL)) return NVRTC_ERROR_INVALID_INPUT;
  char *log = NULL, what[256];
  p->capability = 75, p->real = false, p->contract = true;
  for (int i = 0; i < n; i++)
    if (!read_option(p, options[i])) {
      if (asprintf(&log, "nvrtc: error: invalid value or unrecognized option %s found\n",
                   options[i]) < 0)
        log = NULL;
      return end(p, NVRTC_ERROR_INVALID_OPTION, log);
    }
  int line = scan_include(p->source, what, sizeof what);
  if (line > 0) {
    if (asprintf(&log,
                 "%s(%d): catastrophic error: cannot open source file \"%s\"\n\n1 catastrophic"
                 " error detected in the compilation of \"%s\".\nCompilation terminated.\n",
                 p->name, line, what, p->name) < 0)
      log = NULL;
    return end(p, NVRTC_ERROR_COMPILATION, log);
  }
  const char *tmp = getenv("TMPDIR");
  char folder[PATH_MAX / 2];
  snprintf(folder, sizeof folder, "%s/tdc-emu-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
  if (mkdtemp(folder) == NULL) return NVRTC_ERROR_INTERNAL_ERROR;
  nvrtcResult r = compile_in(p, folder);
  if (getenv("TDC_EMU_KEEP") != NULL)
    fprintf(stderr, "cuda_emu: kept %s\n", folder);
  else
    remove_folder(folder);
  return r;
}

/* ---- what came of it ---------------------------------------------------------------------- */

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *bytes) {
  FAIL_ON_DEMAND();
  if (p == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == NULL) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = strlen(p->log) + 1;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *log) {
  FAIL_ON_DEMAND();
  if (p == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  if (log == NULL) return NVRTC_ERROR_INVALID_INPUT;
  strcpy(log, p->log);
  return NVRTC_SUCCESS;
}

/* Only a real architecture (sm_NN) has one. */
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram p, size_t *bytes) {
  FAIL_ON_DEMAND();
  if (p == NULL || p->cubin == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == NULL) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = p->real ? p->cubin_bytes : 0;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram p, char *cubin) {
  FAIL_ON_DEMAND();
  if (p == NULL || p->cubin == NULL || !p->real) return NVRTC_ERROR_INVALID_PROGRAM;
  if (cubin == NULL) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(cubin, p->cubin, p->cubin_bytes);
  return NVRTC_SUCCESS;
}

static const char ptx[] = "// an emulated device has no PTX\n";

nvrtcResult nvrtcGetPTXSize(nvrtcProgram p, size_t *bytes) {
  FAIL_ON_DEMAND();
  if (p == NULL || p->cubin == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == NULL) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = sizeof ptx;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetPTX(nvrtcProgram p, char *text) {
  FAIL_ON_DEMAND();
  if (p == NULL || p->cubin == NULL) return NVRTC_ERROR_INVALID_PROGRAM;
  if (text == NULL) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(text, ptx, sizeof ptx);
  return NVRTC_SUCCESS;
}
