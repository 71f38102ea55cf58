/* tdc profile: the file's lines with the time that each takes, kernel by kernel,
 * in one entry. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/feed.h"
#include "runtime/progress.h"
#include "runtime/session_internal.h"

typedef struct Cost { double seconds, started; int64_t launches; int kernel; } Cost;

static void clock_kernel(void *ctx, Session *s, const Bound *b, int step, bool before) {
  Cost *costs = ctx;
  (void)s;
  Cost *k = &costs[b->entry->steps[step].kernel];
  if (before) {
    k->started = progress_clock();
  } else {
    k->seconds += progress_clock() - k->started;
    k->launches++;
  }
}

static int dearest_first(const void *x, const void *y) {
  double a = ((const Cost *)x)->seconds, b = ((const Cost *)y)->seconds;
  return a > b ? -1 : a < b;
}

/* Kernels in order of cost: time, share, what they reach, their line. */
static int show(Cli *c, const TdProgram *p, Cost *costs, const char *entry, int64_t rounds) {
  double total = 0;
  for (int i = 0; i < p->nkernels; i++) total += costs[i].seconds;
  qsort(costs, (size_t)p->nkernels, sizeof *costs, dearest_first);
  json_t *list = json_array();
  if (!c->json) {
    char whole[32];
    format_duration(whole, total / (double)rounds);
    printf("%s: %s a run, in %" PRId64 " runs\n%8s %6s %8s %10s %9s  %s\n", entry, whole, rounds,
           "time", "share", "launches", "FLOP/s", "bytes/s", "kernel, line");
  }
  for (int i = 0; i < p->nkernels && costs[i].launches > 0; i++) {
    const TdKernel *k = &p->kernels[costs[i].kernel];
    double each = costs[i].seconds / (double)rounds,
           launches = (double)costs[i].launches / (double)rounds;
    double flops = k->flops * launches / each, bytes = k->bytes * launches / each;
    const char *text = k->text != NULL ? k->text + strspn(k->text, " ") : "";
    if (c->json) {
      json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "kernel",
                                            k->name, "class", k->klass, "where",
                                            k->where != NULL ? k->where : "", "seconds", each,
                                            "launches", launches, "flops", flops, "bytes", bytes));
    } else {
      char time[32], f[32], b[32];
      format_duration(time, each);
      format_count(f, flops);
      format_bytes(b, bytes);
      printf("%8s %5.1f%% %8.0f %10s %9s  %s\n%46s %s  %.100s\n", time,
             100 * costs[i].seconds / total, launches, f, b, k->name, "",
             k->where != NULL ? k->where : "", text);
    }
  }
  if (c->json) {
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
  }
  json_decref(list);
  return cli_done(c);
}

static int profile_entry(Cli *c, Project *p, Machine *m, const char *entry, int64_t rounds) {
  TdError err = { 0 };
  Feed feed;
  int index = session_entry(m->session, entry), init = session_entry(m->session, "init"), code = 0;
  const TdProgram *program = p->unit->program;
  if (index < 0) return cli_usage(c, "%s has no entry '%.100s'", p->unit->path, entry);
  if (init >= 0) session_run(m->session, init, 0, 0);
  Cost *costs = calloc((size_t)program->nkernels + 1, sizeof *costs);
  bool ok = (costs != NULL || td_fail_memory(&err)) &&
            feed_open(&feed, m->session, p->unit, entry, p->data, &err);
  for (int i = 0; ok && i < program->nkernels; i++) costs[i].kernel = i;
  for (int64_t k = 0; ok && k < rounds && *c->stop == 0; k++) {
    ok = feed_train(&feed, 0, k + 1, &err);
    if (ok && k == 0)
      session_run(m->session, index, 0, 1); /* memory is touched once before the clock runs */
    if (ok) session_run_hooked(m->session, index, 0, k + 1, clock_kernel, costs);
  }
  code = ok ? show(c, program, costs, entry, rounds) : cli_fail(c, &err);
  feed_close(&feed);
  free(costs);
  return code;
}

int cli_profile(Cli *c) {
  Project p;
  Machine m = { 0 };
  int code = 0;
  int64_t rounds = 5;
  const char *entry = c->nargs > 1 ? c->args[1] : "train";
  UnitOptions o = { 0 };
  if (!cli_int(c, "rounds", 1, 1000000, &rounds)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code) && cli_machine(c, &m, p.unit, &code))
    code = profile_entry(c, &p, &m, entry, rounds);
  cli_machine_free(&m);
  project_close(&p);
  return code;
}
