/* SPDX-License-Identifier: MIT */
/* tdc doctor: what this machine offers and what is missing. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runtime/system/cache.h"
#include "runtime/cli/cli.h"
#include "runtime/system/json.h"
#include "runtime/data/corpus.h"
#include "runtime/peak.h"
#include "runtime/cpu/toolchain.h"
#include "runtime/cuda/compile.h"
#include "runtime/cuda/gpu.h"
#include "runtime/version.h"

typedef struct Findings {
  Cli *c;
  json_t *all;
  int code;
} Findings;

static void found(Findings *f, const char *key, const char *value) {
  f->all = json_with(f->all, key, json_text(value));
  if (!f->c->json) printf("%-10s %s\n", key, value);
  fflush(stdout); /* the next one may take a while */
}

static void look_compiler(Findings *f) {
  TdError err = {0};
  Toolchain t;
  StrBuf s = {0};
  if (toolchain_find(&t, f->c->stop, &err)) {
    const char *version = strchr(t.version, ' ');
    for (int i = 0; i < 2 && version != NULL; i++) version = strchr(version + 1, ' ');
    sb_printf(&s, "%s:%.*s", t.path, version != NULL ? (int)strcspn(version, "\n") : 0,
              version != NULL ? version : "");
    toolchain_free(&t);
  } else {
    sb_printf(&s, "MISSING: %s", err.message);
    f->code = TD_NO_TOOL;
  }
  found(f, "compiler", s.s != NULL ? s.s : "");
  sb_free(&s);
}

static void look_peak(Findings *f) {
  TdError err = {0};
  Peak peak;
  int64_t threads = 0;
  char one[32], all[32], narrow[32], bytes[32];
  StrBuf s = {0};
  if (f->code != 0 || !cli_int(f->c, "threads", 1, 256, &threads)) return;
  JitOptions o = {.stop = f->c->stop, .no_cache = cli_has(f->c, "no-cache")};
  Pool *single = pool_new(1, &err), *whole = pool_new((int)threads, &err);
  bool ok = single != NULL && whole != NULL && peak_measure(single, &o, &peak, &err);
  format_rate(one, ok ? peak.flops : 0);
  ok = ok && peak_measure(whole, &o, &peak, &err);
  if (ok) {
    format_rate(all, peak.flops);
    format_bytes(bytes, peak.bytes);
    format_rate(narrow, peak.narrow_flops);
    sb_printf(
        &s, "%s on one thread, %s on %d, %s of products in bf16; memory %s/s; vectors of %d floats",
        one, all, pool_threads(whole), narrow, bytes, peak.lanes);
    f->all = json_with(f->all, "peak_flops", json_finite(peak.flops));
    f->all = json_with(f->all, "peak_bf16_flops", json_finite(peak.narrow_flops));
    f->all = json_with(f->all, "peak_bytes", json_finite(peak.bytes));
    f->all = json_with(f->all, "peak_read_bytes", json_finite(peak.read));
    f->all = json_with(f->all, "threads", json_integer(pool_threads(whole)));
    f->all = json_with(f->all, "vector_floats", json_integer(peak.lanes));
  } else {
    sb_printf(&s, "could not be measured: %s", err.message);
    f->code = (int)err.status;
  }
  found(f, "peak", s.s != NULL ? s.s : "");
  sb_free(&s);
  pool_free(single);
  pool_free(whole);
}

static void look_cache(Findings *f) {
  TdError err = {0};
  StrBuf s = {0};
  Cache *c = cache_open(NULL, NULL, false, &err);
  int64_t entries = 0, bytes = 0;
  char size[32];
  if (c != NULL) cache_usage(c, &entries, &bytes);
  format_bytes(size, (double)bytes);
  if (c == NULL)
    sb_printf(&s, "NONE: %s", err.message);
  else if (cache_complaint(c) != NULL)
    sb_printf(&s, "temporary: %s", cache_complaint(c));
  else
    sb_printf(&s, "%s, %lld entries, %s", cache_folder(c), (long long)entries, size);
  found(f, "cache", s.s != NULL ? s.s : "");
  cache_close(c);
  sb_free(&s);
}

static void look_corpora(Findings *f) {
  StrBuf s = {0};
  for (int i = 0; corpus_at(i) != NULL; i++) {
    CorpusSearch search = {.look_only = true, .quiet = true};
    TdError err = {0};
    Text t;
    bool here = text_load(&search, corpus_at(i)->name, NULL, &t, &err);
    sb_printf(&s, "%s%s %s", i > 0 ? "; " : "", corpus_at(i)->name, here ? t.path : "is not here");
    if (here) text_free(&t);
  }
  found(f, "corpora", s.s != NULL ? s.s : "");
  sb_free(&s);
}

/* What is missing of CUDA fails nothing here: it is wanted with --device cuda only. */
static void look_cuda(Findings *f) {
  static const char none[] = "none, --device cuda needs it: ";
  TdError no_gpu = {0}, no_nvrtc = {0}, no_blas = {0};
  StrBuf s = {0};
  Gpu g;
  Nvrtc n;
  BlasLt b;
  char memory[32], architecture[16];
  bool gpu = gpu_look(&g, &no_gpu);
  const CudaDriver *driver = gpu ? &g.driver : NULL;
  if (g.driver.file.path[0] != '\0' && g.driver.version > 0)
    sb_printf(&s, "%s, for CUDA %d.%d", g.driver.file.path, g.driver.version / 1000,
              g.driver.version % 1000 / 10);
  else
    sb_printf(&s, "%s%s", none, no_gpu.message);
  found(f, "driver", s.s != NULL ? s.s : "");
  sb_free(&s);
  if (gpu) {
    format_bytes(memory, (double)g.memory);
    cubin_architecture(architecture, g.major, g.minor);
    sb_printf(&s, "%s, capability %d.%d (%s), %d processors, %s of memory", g.name, g.major,
              g.minor, architecture, g.processors, memory);
  } else if (g.driver.version > 0) {
    sb_printf(&s, "%s%s", none, no_gpu.message);
  } else {
    sb_puts(&s, "none is seen without a driver");
  }
  found(f, "gpu", s.s != NULL ? s.s : "");
  sb_free(&s);
  if (cuda_nvrtc_open(&n, driver, &no_nvrtc))
    sb_printf(&s, "%d.%d, %s", n.major, n.minor, n.file.path);
  else
    sb_printf(&s, "%s%s", none, no_nvrtc.message);
  found(f, "nvrtc", s.s != NULL ? s.s : "");
  sb_free(&s);
  if (cuda_blas_open(&b, driver, &no_blas))
    sb_printf(&s, "%zu.%zu.%zu, %s", b.version / 10000, b.version / 100 % 100, b.version % 100,
              b.file.path);
  else
    sb_printf(&s, "none, models with large products need it on --device cuda: %s", no_blas.message);
  found(f, "cublaslt", s.s != NULL ? s.s : "");
  sb_free(&s);
}

int cli_doctor(Cli *c) {
  Findings f = {.c = c, .all = json_object()};
  struct utsname u;
  StrBuf s = {0};
  char memory[32];
  char *cpu = cpu_model();
  found(&f, "tdc", TDC_VERSION);
  if (uname(&u) == 0) sb_printf(&s, "%s %s %s", u.sysname, u.release, u.machine);
  found(&f, "system", s.s != NULL ? s.s : "?");
  sb_free(&s);
  format_bytes(memory, (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));
  sb_printf(&s, "%s, %d for this process, %s of memory", cpu != NULL ? cpu : "?", cpu_count(),
            memory);
  found(&f, "cpu", s.s != NULL ? s.s : "?");
  sb_free(&s);
  free(cpu);
  found(&f, "products",
        cpu_tiles() ? "f32 as split6 where it pays; bf16, split6 and split3 on tiles"
                    : "f32, split6 and split3 as fma; bf16 without tiles");
  look_compiler(&f);
  look_peak(&f);
  look_cuda(&f);
  look_cache(&f);
  look_corpora(&f);
  int done = c->json ? cli_json(c, f.all, JSON_INDENT(2)) : cli_done(c);
  if (!c->json) json_decref(f.all);
  return f.code != 0 ? f.code : done;
}
