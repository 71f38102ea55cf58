/* SPDX-License-Identifier: MIT */
/* What the kernels of models take, by NVIDIA's own compiler and without a GPU: each one of
 * tests/models/ and those of models/ that all suites look at, in f32 and in bf16, for sm_80, sm_90a
 * and sm_100a. A spill, a stack frame, or more registers, shared memory or barriers than
 * tests/cuda/resources.txt says fail.
 *
 *   cuda_resources [FILE.td ...]    ONLY=WORD: kernels that have it in their name, on all three
 *
 * A kernel whose text another one has is compiled once. `make test` compiles every eighth text
 * for one of the three, in turn, TDC_TEST_LONG=1 all for all of them; UPDATE=1 does that and
 * writes the table. Where NVRTC is missing everything is skipped, and with another version of it
 * than the table's, the comparison. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cuda/compile.h"
#include "tests/model.h"

enum {
  ARCHS = 3,
  EVERY = 8,     /* text is compiled in `make test`, */
  TOGETHER = 40, /* so many kernels in one run of the compiler */
  VOCABULARY = 65
};
static const char *const archs[ARCHS] = {"sm_90a", "sm_80", "sm_100a"};
static const char table_path[] = "tests/cuda/resources.txt";

typedef struct Used {
  int registers, barriers, spills, frame; /* bytes: the last two */
  bool known;
} Used;

/* A kernel's text behind its name, and what it takes. */
typedef struct Kernel {
  const char *text, *launch; /* "TD_KERNEL(256, 1) " */
  bool wanted[ARCHS];
  Used used[ARCHS];
} Kernel;

typedef struct Row {
  const char *model, *act, *kernel;
  int text;
  size_t shared; /* dynamic, bytes */
} Row;

typedef struct Table {
  Arena *arena;
  const char *prelude;
  VEC(Kernel) texts;
  VEC(Row) rows;
  const Nvrtc *nvrtc;
  const char *only; /* kernels with this in their name; NULL: all */
  bool all;
  int passed, failed, skipped;
} Table;

/* ---- kernels of models -------------------------------------------------------------------- */

static int text_of(Table *t, const TdKernel *k) {
  const char *head = arena_printf(t->arena, " %s(", k->name), *name = strstr(k->source, head);
  if (!name) bug("no function %s in:\n%s", k->name, k->source);
  Kernel x = {.text = arena_strdup(t->arena, name + strlen(head) - 1),
              .launch = arena_strndup(t->arena, k->source, (size_t)(name - k->source) + 1)};
  for (int i = 0; i < t->texts.n; i++)
    if (strcmp(t->texts.at[i].text, x.text) == 0 && strcmp(t->texts.at[i].launch, x.launch) == 0)
      return i;
  vec_push(t->arena, &t->texts, x);
  return t->texts.n - 1;
}

static void add_model(Table *t, const char *path, const char *act) {
  UnitOptions more = {.target = "cuda", .act = act};
  Model m;
  const char *slash = strrchr(path, '/');
  char *name = arena_strdup(t->arena, slash ? slash + 1 : path);
  name[strlen(name) - 3] = '\0';
  bool opened = model_open(&m, path, NULL, 0, NULL, VOCABULARY, &more);
  if (!opened) {
    t->failed++;
    printf("%s, %s: cannot be compiled\n", path, act);
  }
  const TdProgram *p = opened ? m.unit->program : NULL;
  if (p && !t->prelude) t->prelude = arena_strdup(t->arena, p->prelude);
  if (p && strcmp(p->prelude, t->prelude) != 0) bug("%s has another prelude", path);
  for (int i = 0; p && i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    if (k->kind == TD_PRODUCT || (t->only && !strstr(k->name, t->only))) continue;
    Row r = {name, act, arena_strdup(t->arena, k->name), text_of(t, k), k->launch.gpu.shared};
    for (int a = 0; a < ARCHS; a++)
      t->texts.at[r.text].wanted[a] = t->all || r.text % (EVERY * ARCHS) == a;
    vec_push(t->arena, &t->rows, r);
  }
  model_close(&m);
}

static void add_folder(Table *t, const char *folder) {
  struct dirent **files;
  int n = scandir(folder, &files, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    size_t size = strlen(files[i]->d_name);
    const char *path = arena_printf(t->arena, "%s/%s", folder, files[i]->d_name);
    if (size > 3 && strcmp(path + strlen(path) - 3, ".td") == 0 && model_in_depth(path, false))
      for (int narrow = 0; narrow < 2; narrow++) add_model(t, path, narrow ? "bf16" : "f32");
    free(files[i]);
  }
  if (n < 0)
    perror(folder), t->failed++;
  else
    free(files);
}

/* ---- NVRTC -------------------------------------------------------------------------------- */

typedef struct CompileUnit {
  int arch, n, text[TOGETHER];
} CompileUnit;

typedef struct Compilation {
  Table *table;
  CompileUnit *unit;
  char **log; /* by unit; begins with '!' after a failure */
} Compilation;

static void compile_one(const Compilation *c, int i) {
  const CompileUnit *u = &c->unit[i];
  const Nvrtc *n = c->table->nvrtc;
  const char *options[16], *const *flags = cubin_flags();
  char arch[48];
  int noptions = 0;
  StrBuf text = {0};
  sb_puts(&text, c->table->prelude);
  for (int k = 0; k < u->n; k++) {
    const Kernel *x = &c->table->texts.at[u->text[k]];
    sb_printf(&text, "\n%skernel_%d%s", x->launch, u->text[k], x->text);
  }
  snprintf(arch, sizeof arch, "--gpu-architecture=%s", archs[u->arch]);
  options[noptions++] = arch;
  while (*flags && noptions < 16) options[noptions++] = *flags++;
  NvrtcProgram program;
  size_t size = 0;
  NvrtcResult r = n->nvrtcCreateProgram(&program, text.s, "kernels.cu", 0, NULL, NULL);
  if (r == NVRTC_OK) {
    r = n->nvrtcCompileProgram(program, noptions, options);
    n->nvrtcGetProgramLogSize(program, &size);
    c->log[i] = calloc(size + 2, 1);
    if (!c->log[i]) bug("no memory for a log");
    n->nvrtcGetProgramLog(program, c->log[i] + 1);
    c->log[i][0] = r == NVRTC_OK ? ' ' : '!';
    n->nvrtcDestroyProgram(&program);
  }
  sb_free(&text);
}

static void compile_some(void *ctx, int worker, int64_t begin, int64_t end) {
  (void)worker;
  for (int64_t i = begin; i < end; i++) compile_one(ctx, (int)i);
}

static int number_before(const char *line, const char *word) {
  const char *at = strstr(line, word);
  if (!at) return 0;
  while (at > line && at[-1] == ' ') at--;
  while (at > line && at[-1] >= '0' && at[-1] <= '9') at--;
  return atoi(at);
}

/* What ptxas says of each kernel of the unit. */
static void read_log(Table *t, const CompileUnit *u, char *log) {
  Used *used = NULL;
  char *rest = NULL;
  for (char *line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    const char *name = strstr(line, "Compiling entry function 'kernel_");
    if (name) used = &t->texts.at[atoi(strchr(name, '_') + 1)].used[u->arch];
    if (!used) continue;
    if (strstr(line, "bytes stack frame")) {
      used->frame = number_before(line, "bytes stack frame");
      used->spills =
          number_before(line, "bytes spill stores") + number_before(line, "bytes spill loads");
    }
    if (!strstr(line, "Used ")) continue;
    used->registers = number_before(line, "registers");
    used->barriers = number_before(line, "barriers");
    used->known = true;
  }
}

static void compile_all(Table *t) {
  Compilation c = {.table = t};
  int n = 0;
  c.unit = NEWN(t->arena, CompileUnit, (int64_t)ARCHS * (t->texts.n + 1));
  for (int a = 0; a < ARCHS; a++) {
    bool open = false;
    for (int i = 0; i < t->texts.n; i++) {
      if (!t->texts.at[i].wanted[a]) continue;
      if (!open || c.unit[n - 1].n == TOGETHER) c.unit[n++].arch = a;
      open = true;
      c.unit[n - 1].text[c.unit[n - 1].n++] = i;
    }
  }
  c.log = calloc((size_t)n + 1, sizeof *c.log);
  TdError err = {0};
  Pool *pool = pool_new(cpu_count(), &err);
  if (!c.log || !pool) bug("no memory");
  pool_run(pool, compile_some, &c, n);
  pool_free(pool);
  for (int i = 0; i < n; i++) {
    if (!c.log[i] || c.log[i][0] == '!') {
      t->failed++;
      printf("NVRTC takes no unit of %d kernels for %s:\n%.3000s\n", c.unit[i].n,
             archs[c.unit[i].arch], c.log[i] ? c.log[i] + 1 : "");
    } else {
      read_log(t, &c.unit[i], c.log[i]);
    }
    free(c.log[i]);
  }
  free(c.log);
}

/* ---- the table ---------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b) {
  const Row *x = a, *y = b;
  int order = strcmp(x->model, y->model);
  if (order == 0) order = strcmp(x->act, y->act);
  return order ? order : strcmp(x->kernel, y->kernel);
}

static const char *version_line(const Table *t) {
  return arena_printf(t->arena, "# NVRTC %d.%d", t->nvrtc->major, t->nvrtc->minor);
}

static void write_table(Table *t) {
  FILE *f = fopen(table_path, "w");
  if (!f) {
    perror(table_path);
    t->failed++;
    return;
  }
  fprintf(f, "%s\n# model, type, kernel, bytes of shared memory; registers and barriers on",
          version_line(t));
  for (int a = 0; a < ARCHS; a++) fprintf(f, " %s", archs[a]);
  fprintf(f, "\n# rewritten by: UPDATE=1 build/tests/cuda_resources\n");
  for (int i = 0; i < t->rows.n; i++) {
    const Row *r = &t->rows.at[i];
    fprintf(f, "%s %s %s %zu", r->model, r->act, r->kernel, r->shared);
    for (int a = 0; a < ARCHS; a++)
      fprintf(f, "  %d %d", t->texts.at[r->text].used[a].registers,
              t->texts.at[r->text].used[a].barriers);
    fprintf(f, "\n");
  }
  if (fclose(f) != 0) perror(table_path), t->failed++;
}

typedef struct Known {
  Row row;
  int registers[ARCHS], barriers[ARCHS];
  bool met;
} Known;
typedef VEC(Known) KnownRows;

/* False: it cannot be read. */
static bool read_table(Table *t, KnownRows *rows, bool *same_compiler) {
  FILE *f = fopen(table_path, "r");
  char line[512], model[128], act[16], kernel[256];
  if (!f) return false;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "# NVRTC ", 8) == 0) *same_compiler = strcmp(line, version_line(t)) == 0;
    if (*line == '#') continue;
    Known k = {0};
    if (sscanf(line, "%127s %15s %255s %zu %d %d %d %d %d %d", model, act, kernel, &k.row.shared,
               &k.registers[0], &k.barriers[0], &k.registers[1], &k.barriers[1], &k.registers[2],
               &k.barriers[2]) != 10) {
      fclose(f);
      return false;
    }
    k.row.model = arena_strdup(t->arena, model);
    k.row.act = arena_strdup(t->arena, act);
    k.row.kernel = arena_strdup(t->arena, kernel);
    vec_push(t->arena, rows, k);
  }
  fclose(f);
  return true;
}

static bool spills(const Row *r, const Used *u, int a) {
  if (u->known && u->spills == 0 && u->frame == 0) return false;
  printf("%s %s %s for %s: %s, %d bytes of spills, %d bytes of stack frame\n", r->model, r->act,
         r->kernel, archs[a], u->known ? "compiled" : "not told of", u->spills, u->frame);
  return true;
}

static bool worse(const Row *r, const Used *u, const Known *k, int a) {
  if (u->registers <= k->registers[a] && u->barriers <= k->barriers[a] &&
      r->shared <= k->row.shared)
    return false;
  printf("%s %s %s for %s: %d registers, %d barriers, %zu bytes of shared memory; it took %d, %d "
         "and %zu\n",
         r->model, r->act, r->kernel, archs[a], u->registers, u->barriers, r->shared,
         k->registers[a], k->barriers[a], k->row.shared);
  return true;
}

/* Each row by itself, and whether the table has it, and no other one. */
static void check(Table *t, bool whole) {
  KnownRows known = {0};
  bool same = false, compare = read_table(t, &known, &same);
  if (!compare) t->failed++, printf("%s cannot be read\n", table_path);
  if (compare && !same) {
    printf("SKIP %s is another NVRTC's than %d.%d\n", table_path, t->nvrtc->major, t->nvrtc->minor);
    t->skipped++;
  }
  for (int i = 0; i < t->rows.n; i++) {
    const Row *r = &t->rows.at[i];
    Known *k = bsearch(r, known.at, (size_t)known.n, sizeof *known.at, compare_rows);
    bool bad = false;
    for (int a = 0; a < ARCHS; a++) {
      const Used *u = &t->texts.at[r->text].used[a];
      if (!t->texts.at[r->text].wanted[a]) continue;
      bad = spills(r, u, a) || (same && k && worse(r, u, k, a)) || bad;
    }
    if (compare && !k) {
      printf("%s %s %s is not in the table; %zu bytes of shared memory, registers", r->model,
             r->act, r->kernel, r->shared);
      for (int a = 0; a < ARCHS; a++) printf(" %d", t->texts.at[r->text].used[a].registers);
      printf("\n");
    }
    if (k) k->met = true;
    bool compiled = false;
    for (int a = 0; a < ARCHS; a++) compiled = compiled || t->texts.at[r->text].wanted[a];
    if (bad || (compare && !k))
      t->failed++;
    else if (compiled)
      t->passed++;
  }
  for (int i = 0; whole && i < known.n; i++) {
    const Row *r = &known.at[i].row;
    if (known.at[i].met) continue;
    printf("%s %s %s is in the table, and is no kernel\n", r->model, r->act, r->kernel);
    t->failed++;
  }
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG"), *update = getenv("UPDATE");
  Nvrtc nvrtc;
  TdError err = {0};
  Table t = {.arena = arena_new(), .nvrtc = &nvrtc, .only = getenv("ONLY")};
  bool rewrites = update && *update == '1' && argc == 1 && !t.only;
  t.all = rewrites || t.only || (longer && *longer == '1');
  if (!cuda_nvrtc_open(&nvrtc, NULL, &err)) {
    printf("SKIP %s\n0 passed, 0 failed, 1 skipped\n", err.message);
    return 0;
  }
  for (int i = 1; i < argc; i++)
    for (int narrow = 0; narrow < 2; narrow++) add_model(&t, argv[i], narrow ? "bf16" : "f32");
  if (argc == 1) add_folder(&t, "models"), add_folder(&t, "tests/models");
  qsort(t.rows.at, (size_t)t.rows.n, sizeof *t.rows.at, compare_rows);
  printf("%d kernels, %d texts\n", t.rows.n, t.texts.n);
  fflush(stdout);
  compile_all(&t);
  if (rewrites) write_table(&t);
  check(&t, argc == 1 && !t.only);
  printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped);
  arena_free(t.arena);
  return t.failed > 0;
}
