/* SPDX-License-Identifier: MIT */
/* tdc profile: where an entry's time goes: the .td file with time, bytes, FLOPs
 * and share of the machine's limit beside each line, the kernels one by one with
 * --kernels, a timeline for trace viewers with --trace. */
#define _GNU_SOURCE /* qsort_r */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/json.h"
#include "runtime/data/feed.h"
#include "runtime/peak.h"

enum { SOURCE_LIMIT = 64 << 20 };

/* What a kernel, a step of the entry, or all steps of a line cost over all runs. */
typedef struct Cost {
  double seconds, flops, bytes;
  double narrow; /* of flops, on factors in bf16 */
  double read;   /* of bytes */
  double dear;   /* flops that take as long as draws and functions */
  int64_t launches;
  int of; /* which kernel, which step, the first step of the line */
} Cost;

typedef struct Event {
  int step;
  double begin, end;
} Event;

typedef struct Profile {
  Cli *cli;
  const TdProgram *program;
  const char *path, *entry, *device;
  const TdStep *steps; /* of that entry */
  int nsteps;
  int64_t rounds;
  Peak peak;
  int split;                     /* products of f32 are sums of so many in bf16; 0: they are not */
  Cost *kernel, *step;           /* [nkernels], [nsteps] */
  const char **place, **library; /* [nsteps]: the line of the user's file, of the library's; NULL */
  double total;
  Arena *arena;
  VEC(Event) events; /* of the last run, if a trace is asked for */
  bool tracing;
} Profile;

/* ---- measuring ------------------------------------------------------------------ */

static void time_kernel(void *ctx, int step, double begin, double end) {
  Profile *f = ctx;
  int kernel = f->steps[step].kernel;
  Cost *of[] = {&f->kernel[kernel], &f->step[step]};
  for (int i = 0; i < 2; i++) {
    const TdKernel *k = &f->program->kernels[kernel];
    of[i]->seconds += end - begin;
    of[i]->flops += k->flops;
    of[i]->narrow += k->narrow_flops;
    of[i]->dear += k->dear;
    of[i]->bytes += k->bytes;
    of[i]->read += k->read;
    of[i]->launches++;
  }
  if (f->tracing) vec_push(f->arena, &f->events, ((Event){step, begin, end}));
}

/* The time that nothing here can do it in, as a share of the time it took. */
static double share_of_limit(const Profile *f, const Cost *k) {
  if (f->peak.flops <= 0) return (double)NAN; /* of another device than the CPU */
  double arithmetic = peak_seconds(&f->peak, k->flops + k->dear, k->narrow, f->split),
         traffic = peak_traffic(&f->peak, k->bytes, k->read);
  return (arithmetic > traffic ? arithmetic : traffic) / k->seconds;
}

static const char *where_of(const Profile *f, int kernel) {
  const char *where = f->program->kernels[kernel].where;
  return where != NULL ? where : "";
}

/* The line of step i, the library's if it is of one. */
static const char *line_of(const Profile *f, int i) {
  return f->library[i] != NULL ? f->library[i] : f->place[i];
}

/* ---- as text ---------------------------------------------------------------------- */

static const char heading[] = "    time  share    FLOP/s    bytes/s  limit";

static void print_cost(const Profile *f, const Cost *k) {
  char time[32], flops[32], bytes[32];
  format_duration(time, k->seconds / (double)f->rounds);
  format_count(flops, k->flops / k->seconds);
  format_bytes(bytes, k->bytes / k->seconds);
  printf("%8s %5.1f%% %9s %10s  ", time, 100 * k->seconds / f->total, flops, bytes);
  double share = share_of_limit(f, k);
  if (isfinite(share))
    printf("%4.0f%%", 100 * share);
  else
    printf("    -");
}

static int dearest_first(const void *x, const void *y) {
  double a = ((const Cost *)x)->seconds, b = ((const Cost *)y)->seconds;
  return a > b ? -1 : a < b;
}

static int by_place(const void *x, const void *y, void *places) {
  const char *const *place = places;
  return strcmp(place[((const Cost *)x)->of], place[((const Cost *)y)->of]);
}

/* The costs of each line, dearest first; the number of lines. place: of each step, or NULL. */
static int sum_lines(const Profile *f, const char **place, Cost *lines) {
  int n = 0, kept = 0;
  for (int i = 0; i < f->nsteps; i++) {
    if (f->step[i].launches == 0 || place[i] == NULL) continue;
    lines[n] = f->step[i];
    lines[n++].of = i;
  }
  qsort_r(lines, (size_t)n, sizeof *lines, by_place, place);
  for (int i = 0; i < n; i++) {
    if (kept > 0 && by_place(&lines[kept - 1], &lines[i], place) == 0) {
      Cost *k = &lines[kept - 1];
      k->seconds += lines[i].seconds;
      k->flops += lines[i].flops;
      k->narrow += lines[i].narrow;
      k->dear += lines[i].dear;
      k->bytes += lines[i].bytes;
      k->read += lines[i].read;
      k->launches += lines[i].launches;
    } else {
      lines[kept++] = lines[i];
    }
  }
  qsort(lines, (size_t)kept, sizeof *lines, dearest_first);
  return kept;
}

static bool is_of_file(const Profile *f, const char *place) {
  size_t name = strlen(f->path);
  return strncmp(place, f->path, name) == 0 && place[name] == ':';
}

/* Lines of other files than the model's. */
static void print_others(const Profile *f, const char *title, const char **place, Cost *lines) {
  int n = sum_lines(f, place, lines);
  bool any = false;
  for (int i = 0; i < n; i++) {
    const TdStep *step = &f->steps[lines[i].of];
    const char *where = place[lines[i].of], *text = place == f->place && step->text != NULL
                                                        ? step->text
                                                        : f->program->kernels[step->kernel].text;
    if (is_of_file(f, where)) continue;
    if (!any) printf("\n%s  %s\n", heading, title);
    any = true;
    print_cost(f, &lines[i]);
    printf("  %s | %.100s\n", where, text != NULL ? text + strspn(text, " ") : "");
  }
}

/* Every line of the model's file, with what it makes the library do; of the library's files
 * those that cost. */
static bool print_lines(const Profile *f, TdError *err) {
  Cost *lines = calloc((size_t)f->nsteps + 1, sizeof *lines);
  uint8_t *bytes;
  size_t size;
  if (lines == NULL) return td_fail_memory(err);
  if (!io_read_file(NULL, f->path, SOURCE_LIMIT, &bytes, &size, err)) {
    free(lines);
    return false;
  }
  int n = sum_lines(f, f->place, lines), number = 1;
  printf("%s  %s\n", heading, f->path);
  for (const char *at = (const char *)bytes, *end = at + size; at < end; number++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    int length = (int)((stop != NULL ? stop : end) - at);
    StrBuf where = {0};
    sb_printf(&where, "%s:%d", f->path, number);
    const Cost *cost = NULL;
    for (int i = 0; i < n && where.s != NULL; i++)
      if (strcmp(f->place[lines[i].of], where.s) == 0) cost = &lines[i];
    if (cost != NULL)
      print_cost(f, cost);
    else
      printf("%*s", (int)strlen(heading), "");
    printf("  %4d | ", number);
    terminal_print(&f->cli->out, at, (size_t)length);
    putchar('\n');
    sb_free(&where);
    at += length + 1;
  }
  print_others(f, "elsewhere", f->place, lines);
  print_others(f, "of it, within the library", f->library, lines);
  free(bytes);
  free(lines);
  return true;
}

/* Launches of one kernel may be of several lines: those behind the first. */
static void print_other_lines(const Profile *f, int kernel) {
  enum { MOST = 4 };
  const char *seen[MOST + 1] = {where_of(f, kernel)};
  int n = 1;
  for (int i = 0; i < f->nsteps && n <= MOST; i++) {
    if (f->steps[i].kind != TD_LAUNCH || f->steps[i].kernel != kernel) continue;
    bool known = false;
    for (int k = 0; k < n; k++) known = known || strcmp(seen[k], line_of(f, i)) == 0;
    if (known) continue;
    seen[n++] = line_of(f, i);
    printf("\n%*s%s", (int)strlen(heading) + 12, "", n <= MOST ? seen[n - 1] : "and others");
  }
}

static void print_kernels(const Profile *f, const Cost *sorted, int n) {
  printf("%s  launches  kernel, line\n", heading);
  for (int i = 0; i < n; i++) {
    const TdKernel *k = &f->program->kernels[sorted[i].of];
    print_cost(f, &sorted[i]);
    printf("  %8.0f  %s\n%*s%s  ", (double)sorted[i].launches / (double)f->rounds, k->name,
           (int)strlen(heading) + 12, "", where_of(f, sorted[i].of));
    const char *text = k->text != NULL ? k->text + strspn(k->text, " ") : "";
    terminal_print(&f->cli->out, text, strnlen(text, 100));
    print_other_lines(f, sorted[i].of);
    putchar('\n');
  }
}

/* ---- as JSON ------------------------------------------------------------------------ */

/* A peak that was measured. */
static double known(double peak) { return peak > 0 ? peak : (double)NAN; }

static json_t *profile_json(const Profile *f, const Cost *sorted, int n) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++) {
    const Cost *k = &sorted[i];
    const TdKernel *kernel = &f->program->kernels[k->of];
    list =
        json_and(list, json_pack("{s:s, s:s, s:o, s:f, s:f, s:o, s:o, s:o}", "kernel", kernel->name,
                                 "class", kernel->klass, "where", json_text(where_of(f, k->of)),
                                 "seconds", k->seconds / (double)f->rounds, "launches",
                                 (double)k->launches / (double)f->rounds, "flops",
                                 json_finite(k->flops / k->seconds), "bytes",
                                 json_finite(k->bytes / k->seconds), "limit",
                                 json_finite(share_of_limit(f, k))));
  }
  return json_pack("{s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o}", "entry", f->entry, "device",
                   f->device, "seconds", f->total / (double)f->rounds, "peak_flops",
                   json_finite(known(f->peak.flops)), "peak_bf16_flops",
                   json_finite(known(f->peak.narrow_flops)), "peak_bytes",
                   json_finite(known(f->peak.bytes)), "peak_read_bytes",
                   json_finite(known(f->peak.read)), "kernels", list);
}

/* The last run as the Trace Event Format that Perfetto and Chromium's tracing
 * page read: one complete event a launch, times in microseconds. */
static bool write_trace(const Profile *f, const char *path, TdError *err) {
  json_t *events = json_array();
  for (int i = 0; i < f->events.n; i++) {
    const Event *e = &f->events.at[i];
    const TdStep *s = &f->steps[e->step];
    const TdKernel *k = &f->program->kernels[s->kernel];
    const char *line = line_of(f, e->step),
               *said = strcmp(line, where_of(f, s->kernel)) == 0 ? k->text : s->text;
    events = json_and(
        events, json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:{s:o, s:o, s:f, s:f}}", "name",
                          k->name, "cat", k->klass, "ph", "X", "ts", 1e6 * e->begin, "dur",
                          1e6 * (e->end - e->begin), "pid", 1, "tid", 1, "args", "line",
                          json_text(line), "text", json_text(said != NULL ? said : ""), "flops",
                          k->flops, "bytes", k->bytes));
  }
  json_t *all = json_pack("{s:o, s:s}", "traceEvents", events, "displayTimeUnit", "ms");
  char *text = json_write(all, JSON_COMPACT);
  bool ok =
      (text != NULL || td_fail_memory(err)) && io_write_file(NULL, path, text, strlen(text), err);
  free(text);
  return ok;
}

/* ---- the command --------------------------------------------------------------------- */

static bool show(Profile *f, TdError *err) {
  int n = 0;
  Cost *sorted = calloc((size_t)f->program->nkernels + 1, sizeof *sorted);
  if (sorted == NULL) return td_fail_memory(err);
  for (int i = 0; i < f->program->nkernels; i++) {
    f->total += f->kernel[i].seconds;
    if (f->kernel[i].launches == 0) continue;
    sorted[n] = f->kernel[i];
    sorted[n++].of = i;
  }
  qsort(sorted, (size_t)n, sizeof *sorted, dearest_first);
  bool ok = true;
  if (f->cli->json) {
    char *text = json_write(profile_json(f, sorted, n), JSON_INDENT(2));
    ok = text != NULL || td_fail_memory(err);
    if (ok) puts(text);
    free(text);
  } else {
    char whole[32], flops[32], bytes[32], read[32], narrow[32];
    bool mixed = false; /* products in bf16 */
    for (int i = 0; i < n; i++)
      mixed = mixed || (sorted[i].narrow > 0 && (f->split <= 1 || f->peak.tiles));
    format_duration(whole, f->total / (double)f->rounds);
    format_rate(flops, f->peak.flops);
    format_bytes(bytes, f->peak.bytes);
    format_bytes(read, f->peak.read);
    format_rate(narrow, f->peak.narrow_flops);
    printf("%s: %s a run, in %" PRId64 " runs", f->entry, whole, f->rounds);
    if (f->peak.flops > 0)
      printf(
          ". Limits: %s, %s%s%s/s from memory, of which %s/s are read (more than 100%% of it: the "
          "data were in a cache)\n\n",
          flops, mixed ? narrow : "", mixed ? " in bf16, " : "", bytes, read);
    else
      printf(" on %s, kernels one by one\n\n", f->device);
    if (cli_has(f->cli, "kernels"))
      print_kernels(f, sorted, n);
    else
      ok = print_lines(f, err);
  }
  free(sorted);
  return ok;
}

static bool measure(Profile *f, const Project *p, Machine *m, int index, TdError *err) {
  Feed feed;
  int init = session_entry(m->session, "init");
  if (init >= 0) session_run(m->session, init, 0, 0);
  bool ok = feed_open(&feed, m->session, p->unit, f->entry, p->data, err);
  const char *trace = cli_text(f->cli, "trace", NULL);
  DeviceWatch watch = {.ctx = f, .time = time_kernel};
  for (int64_t k = 0; ok && k < f->rounds && *f->cli->stop == 0; k++) {
    ok = feed_train(&feed, 0, k + 1, err);
    if (ok && k == 0)
      session_run(m->session, index, 0, 1); /* memory is touched once before the clock runs */
    f->tracing = trace != NULL && k + 1 == f->rounds;
    if (ok) session_run_watched(m->session, index, 0, k + 1, &watch);
    ok = ok && session_sync(m->session, err);
  }
  feed_close(&feed);
  return ok && (trace == NULL || write_trace(f, trace, err));
}

/* The first line of the user's own file that a launch comes of, and the library's within it. */
static void find_places(Profile *f) {
  for (int i = 0; i < f->nsteps; i++) {
    const TdStep *s = &f->steps[i];
    if (s->kind != TD_LAUNCH) continue;
    const char *where = s->where != NULL && *s->where != '\0' ? s->where : where_of(f, s->kernel);
    f->place[i] = arena_strndup(f->arena, where, strcspn(where, ","));
    f->library[i] = s->inside;
  }
}

static int profile_entry(Cli *c, Project *p, Machine *m, const char *entry, int64_t rounds) {
  TdError err = {0};
  int index = session_entry(m->session, entry);
  if (index < 0) return cli_usage(c, "%s has no entry '%.100s'", p->unit->path, entry);
  Profile f = {.cli = c,
               .program = p->unit->program,
               .split = td_split_products(p->unit->split),
               .path = p->unit->path,
               .entry = entry,
               .device = m->cuda.gpu[0] != '\0' ? m->cuda.gpu : m->device,
               .steps = p->unit->program->entries[index].steps,
               .nsteps = p->unit->program->entries[index].nsteps,
               .rounds = rounds,
               .arena = p->arena};
  JitOptions jit = {.no_cache = cli_has(c, "no-cache"), .stop = c->stop};
  f.kernel = NEWN(f.arena, Cost, f.program->nkernels + 1);
  f.step = NEWN(f.arena, Cost, f.nsteps + 1);
  f.place = NEWN(f.arena, const char *, f.nsteps + 1);
  f.library = NEWN(f.arena, const char *, f.nsteps + 1);
  find_places(&f);
  bool ok = (m->jit == NULL || peak_measure(m->pool, &jit, &f.peak, &err)) &&
            measure(&f, p, m, index, &err) && show(&f, &err);
  return ok ? cli_done(c) : cli_fail(c, &err);
}

int cli_profile(Cli *c) {
  Project p;
  Machine m = {0};
  int code = 0;
  int64_t rounds = 5;
  const char *entry = c->nargs > 1 ? c->args[1] : "train";
  const char *const entries[] = {"init", entry, NULL};
  UnitOptions o = {0};
  if (!cli_int(c, "rounds", 1, 1000000, &rounds)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code) && cli_machine(c, &m, p.unit, entries, &code))
    code = profile_entry(c, &p, &m, entry, rounds);
  machine_close(&m);
  project_close(&p);
  return code;
}
