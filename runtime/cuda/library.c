/* SPDX-License-Identifier: MIT */
/* Finding and opening CUDA's libraries. See library.h. */
#define _GNU_SOURCE /* dlinfo */
#include "runtime/cuda/library.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/system/io.h"

enum { OLDEST_MAJOR = 12, NEWEST_MAJOR = 13 };

typedef struct Search {
  const char *name; /* "libnvrtc.so.13" */
  void *handle;
  LibraryFile file;
  StrBuf broken; /* why one that is there was not opened */
} Search;

/* ---- where ------------------------------------------------------------------------ */

/* By a path, or by a name that the loader looks for. */
static bool try_open(Search *s, const char *path) {
  struct link_map *map = NULL;
  s->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (s->handle == NULL) {
    const char *why = dlerror();
    bool there = strchr(path, '/') != NULL || why == NULL || strstr(why, "No such file") == NULL;
    if (there && s->broken.n == 0) sb_puts(&s->broken, why != NULL ? why : path);
    return false;
  }
  bool named = strchr(path, '/') != NULL;
  if (named || dlinfo(s->handle, RTLD_DI_LINKMAP, &map) != 0) map = NULL;
  snprintf(s->file.path, sizeof s->file.path, "%s", map != NULL ? map->l_name : path);
  struct stat st;
  if (stat(s->file.path, &st) != 0) st = (struct stat){0};
  s->file.bytes = st.st_size;
  s->file.changed = st.st_mtime;
  return true;
}

static bool try_folder(Search *s, const char *folder, size_t n) {
  StrBuf path = {0};
  sb_write(&path, folder, n);
  sb_printf(&path, "/%s", s->name);
  bool found = path.s != NULL && io_exists(path.s) && try_open(s, path.s);
  sb_free(&path);
  return found;
}

/* Folders of a pattern, the last one by its name, which is the newest version, first. */
static bool try_pattern(Search *s, const char *pattern) {
  glob_t found;
  bool ok = false;
  if (glob(pattern, 0, NULL, &found) != 0) return false;
  for (size_t i = found.gl_pathc; !ok && i > 0; i--)
    ok = try_folder(s, found.gl_pathv[i - 1], strlen(found.gl_pathv[i - 1]));
  globfree(&found);
  return ok;
}

/* *end: nowhere else. A library that is there and does not load ends the search too. */
static bool try_named(Search *s, bool *end) {
  const char *at = getenv("TDC_CUDA_LIBRARIES");
  while (at != NULL && *at != '\0' && !*end) {
    size_t n = strcspn(at, ":");
    if (n == 1 && *at == '-')
      *end = true;
    else if (n > 0 && try_folder(s, at, n))
      return true;
    *end = *end || s->broken.n > 0;
    at += n + (at[n] == ':');
  }
  return false;
}

static bool try_below(Search *s, const char *variable, const char *pattern) {
  const char *base = getenv(variable);
  StrBuf all = {0};
  if (base == NULL || base[0] != '/') return false;
  sb_printf(&all, "%s/%s", base, pattern);
  bool found = all.s != NULL && try_pattern(s, all.s);
  sb_free(&all);
  return found;
}

static bool try_everywhere(Search *s) {
  static const struct {
    const char *variable; /* or NULL */
    const char *pattern;
  } places[] = {
      {NULL, "/usr/lib/wsl/lib"},
      {NULL, "/usr/local/nvidia/lib64"},
      {"CUDA_PATH", "lib64"},
      {"CUDA_HOME", "lib64"},
      {NULL, "/usr/local/cuda/lib64"},
      {NULL, "/usr/local/cuda-*/lib*"},
      {NULL, "/usr/local/cuda-*/targets/*/lib"},
      {"VIRTUAL_ENV", "lib/python3*/site-packages/nvidia/*/lib"},
      {"CONDA_PREFIX", "lib"},
      {"CONDA_PREFIX", "lib/python3*/site-packages/nvidia/*/lib"},
      {"HOME", ".local/lib/python3*/site-packages/nvidia/*/lib"},
      {NULL, "/usr/local/lib/python3*/*-packages/nvidia/*/lib"},
      {NULL, "/usr/lib/python3*/*-packages/nvidia/*/lib"},
  };
  bool end = false;
  if (try_named(s, &end)) return true;
  if (end) return false;
  bool found = try_open(s, s->name);
  for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++)
    found = places[i].variable != NULL ? try_below(s, places[i].variable, places[i].pattern)
                                       : try_pattern(s, places[i].pattern);
  return found;
}

/* ---- one of them --------------------------------------------------------------------- */

/* What a library is for, and how one comes to have it: in messages. */
typedef struct Piece {
  const char *stem, *what, *get;
} Piece;

static const Piece the_driver = {"libcuda.so", "the NVIDIA driver",
                                 "install the driver of the GPU, or run with --device cpu"};
static const Piece the_compiler = {
    "libnvrtc.so", "NVIDIA's compiler of kernels",
    "install the CUDA toolkit or `pip install nvidia-cuda-nvrtc`, or name its folder in "
    "TDC_CUDA_LIBRARIES"};
static const Piece the_products = {
    "libcublasLt.so", "NVIDIA's matrix products",
    "install the CUDA toolkit or `pip install nvidia-cublas`, or name its folder in "
    "TDC_CUDA_LIBRARIES"};

static bool not_found(const Piece *p, const Search *s, TdError *err) {
  if (s->broken.n > 0)
    return td_fail(err, TD_NO_TOOL, "%s (%s) cannot be loaded: %.500s; %s", s->name, p->what,
                   s->broken.s, p->get);
  return td_fail(err, TD_NO_TOOL, "%s (%s) is not to be found; %s", s->name, p->what, p->get);
}

/* The newest of the versions most .. least. */
static bool find(Search *s, const Piece *p, int most, int least, TdError *err) {
  char name[64];
  bool found = false;
  StrBuf first = {0};
  for (int v = most; !found && v >= least; v--) {
    snprintf(name, sizeof name, "%s.%d", p->stem, v);
    s->name = name;
    found = try_everywhere(s);
    if (!found && v == least) {
      if (least < most) { /* all names that would have done */
        snprintf(name, sizeof name, "%s.%d", p->stem, most);
        sb_puts(&first, name);
        for (int other = most - 1; other >= least; other--) sb_printf(&first, " or .%d", other);
        s->name = first.s != NULL ? first.s : name;
      }
      not_found(p, s, err);
    }
  }
  sb_free(&first);
  sb_free(&s->broken);
  s->name = NULL;
  return found;
}

typedef struct Symbol {
  const char *name;
  size_t at; /* bytes into the table */
} Symbol;

static bool resolve(const Search *s, const Piece *p, const Symbol *symbols, size_t n, void *table,
                    TdError *err) {
  for (size_t i = 0; i < n; i++) {
    void *f = dlsym(s->handle, symbols[i].name);
    if (f == NULL)
      return td_fail(err, TD_NO_TOOL, "%s (%s) has no %s: another version is needed; %s",
                     s->file.path, p->what, symbols[i].name, p->get);
    memcpy((char *)table + symbols[i].at, &f, sizeof f);
  }
  return true;
}

#define COUNT(x) (sizeof(x) / sizeof *(x))

/* ---- the driver ------------------------------------------------------------------------ */

static const Symbol driver_symbols[] = {
#define DRIVER(result, name, parameters) {#name, offsetof(CudaDriver, name)},
#include "runtime/cuda/functions.def"
#undef DRIVER
};

void cuda_result_text(const CudaDriver *d, CudaResult r, char *out, size_t n) {
  const char *name = NULL, *text = NULL;
  if (d->cuGetErrorName(r, &name) != CUDA_OK || name == NULL) name = "an unknown error";
  if (d->cuGetErrorString(r, &text) != CUDA_OK) text = NULL;
  snprintf(out, n, "%s (%d%s%s)", name, r, text != NULL ? ": " : "", text != NULL ? text : "");
}

static bool driver_starts(CudaDriver *d, TdError *err) {
  char why[256];
  CudaResult r = d->cuDriverGetVersion(&d->version);
  if (r == CUDA_OK && d->version < OLDEST_MAJOR * 1000)
    return td_fail(err, TD_NO_TOOL,
                   "the NVIDIA driver (%s) is for CUDA %d.%d, which is too old: %d.0 at least is "
                   "needed; install a newer driver",
                   d->file.path, d->version / 1000, d->version % 1000 / 10, OLDEST_MAJOR);
  if (r == CUDA_OK) r = d->cuInit(0);
  if (r == CUDA_OK) return true;
  if (r == CUDA_NO_DEVICE)
    return td_fail(err, TD_NO_TOOL,
                   "the NVIDIA driver (%s) sees no GPU; is one there, and may this process use it "
                   "(CUDA_VISIBLE_DEVICES)?",
                   d->file.path);
  if (r == CUDA_STUB)
    return td_fail(err, TD_NO_TOOL,
                   "%s is the toolkit's stand-in for a driver, none that runs; install the driver "
                   "of the GPU",
                   d->file.path);
  cuda_result_text(d, r, why, sizeof why);
  return td_fail(err, TD_NO_TOOL, "the NVIDIA driver (%s) does not start: %s", d->file.path, why);
}

bool cuda_driver_open(CudaDriver *d, TdError *err) {
  Search s = {0};
  *d = (CudaDriver){0};
  if (!find(&s, &the_driver, 1, 1, err)) return false;
  d->file = s.file;
  return resolve(&s, &the_driver, driver_symbols, COUNT(driver_symbols), d, err) &&
         driver_starts(d, err);
}

/* The newest version of the other libraries whose code this driver runs. */
static int newest_for(const CudaDriver *d) {
  int major = d != NULL ? d->version / 1000 : NEWEST_MAJOR;
  return major < NEWEST_MAJOR ? major : NEWEST_MAJOR;
}

/* ---- the compiler ------------------------------------------------------------------------ */

static const Symbol nvrtc_symbols[] = {
#define NVRTC(result, name, parameters) {#name, offsetof(Nvrtc, name)},
#include "runtime/cuda/functions.def"
#undef NVRTC
};

/* NVRTC looks for its built-in functions by their name alone when it first compiles: beside
 * itself is not where the loader looks. */
static void open_builtins(const char *nvrtc) {
  char *folder = io_dirname(nvrtc);
  StrBuf pattern = {0};
  glob_t found;
  if (folder != NULL) sb_printf(&pattern, "%s/libnvrtc-builtins.so.*", folder);
  if (pattern.s != NULL && glob(pattern.s, 0, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; i++) dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_GLOBAL);
    globfree(&found);
  }
  sb_free(&pattern);
  free(folder);
}

bool cuda_nvrtc_open(Nvrtc *n, const CudaDriver *d, TdError *err) {
  Search s = {0};
  *n = (Nvrtc){0};
  if (!find(&s, &the_compiler, newest_for(d), OLDEST_MAJOR, err)) return false;
  n->file = s.file;
  open_builtins(n->file.path);
  if (!resolve(&s, &the_compiler, nvrtc_symbols, COUNT(nvrtc_symbols), n, err)) return false;
  if (n->nvrtcVersion(&n->major, &n->minor) != NVRTC_OK)
    return td_fail(err, TD_NO_TOOL, "%s does not tell its version", n->file.path);
  if (d == NULL || n->major <= d->version / 1000) return true;
  return td_fail(err, TD_NO_TOOL,
                 "%s is of CUDA %d.%d and makes code that the driver, of CUDA %d.%d, does not run; "
                 "install a newer driver, or libnvrtc.so.%d",
                 n->file.path, n->major, n->minor, d->version / 1000, d->version % 1000 / 10,
                 d->version / 1000);
}

/* ---- products ----------------------------------------------------------------------------- */

static const Symbol blas_symbols[] = {
#define BLAS(result, name, parameters) {#name, offsetof(BlasLt, name)},
#include "runtime/cuda/functions.def"
#undef BLAS
};

bool cuda_blas_open(BlasLt *b, const CudaDriver *d, TdError *err) {
  Search s = {0};
  *b = (BlasLt){0};
  if (!find(&s, &the_products, newest_for(d), OLDEST_MAJOR, err)) return false;
  b->file = s.file;
  if (!resolve(&s, &the_products, blas_symbols, COUNT(blas_symbols), b, err)) return false;
  b->version = b->cublasLtGetVersion();
  return true;
}
