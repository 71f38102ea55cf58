/* SPDX-License-Identifier: MIT */
/* tdc FILE.td: compile, write the program for people to read, print the plan. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/ir/text.h"
#include "runtime/cli/cli.h"
#include "runtime/system/json.h"

static bool write_text(const char *folder, const char *name, const char *ext, const StrBuf *text,
                       TdError *err) {
  StrBuf file = {0};
  sb_printf(&file, "%s%s", name, ext);
  char *path = io_join(folder, file.s);
  bool ok = path != NULL ? io_write_file(NULL, path, text->s != NULL ? text->s : "", text->n, err)
                         : td_fail_memory(err);
  free(path);
  sb_free(&file);
  return ok;
}

/* The graph of each entry, in a file of its own. */
static bool write_graphs(const char *folder, const Unit *u, TdError *err) {
  bool ok = true;
  for (int i = 0; ok && i < u->nentries; i++) {
    StrBuf s = {0};
    if (u->entries[i].graph == NULL) continue;
    ir_print(u->entries[i].graph, &s);
    ok = write_text(folder, u->entries[i].name, ".ir", &s, err);
    sb_free(&s);
  }
  return ok;
}

/* And a picture of what became of it, where there is something to see. */
static bool write_pictures(const char *folder, Arena *a, const TdProgram *p, TdError *err) {
  bool ok = true;
  for (int i = 0; ok && i < p->nentries; i++) {
    StrBuf s = {0};
    if (p->entries[i].nsteps < 2) continue;
    backend_print_picture(a, p, &p->entries[i], &s);
    ok = write_text(folder, p->entries[i].name, ".svg", &s, err);
    sb_free(&s);
  }
  return ok;
}

/* The same program for CUDA. */
static bool write_cuda(const char *folder, const char *name, const Unit *u, TdError *err) {
  StrBuf s = {0};
  const TdProgram *p = unit_program_for(u, "cuda");
  if (p == NULL) return td_fail_memory(err);
  emit_cuda_file(p, &s);
  bool ok = write_text(folder, name, ".cu", &s, err);
  sb_free(&s);
  return ok;
}

static bool write_all(const char *folder, Arena *a, const Unit *u, TdError *err) {
  StrBuf c = {0}, h = {0}, plan = {0};
  char name[EMIT_NAME];
  emit_c_name(u->program, name);
  emit_standalone_c(u->program, &c, &h);
  backend_print_plan(a, u->program, &plan);
  bool ok = io_make_folders(NULL, folder, false, err) && write_text(folder, name, ".c", &c, err) &&
            write_text(folder, name, ".h", &h, err) && write_cuda(folder, name, u, err) &&
            write_text(folder, "plan", ".txt", &plan, err) && write_graphs(folder, u, err) &&
            write_pictures(folder, a, u->program, err);
  sb_free(&c);
  sb_free(&h);
  sb_free(&plan);
  return ok;
}

static bool form_exists(Cli *c, const char *name) {
  StrBuf all = {0};
  for (int i = 0; backend_form(i) != NULL; i++) {
    if (strcmp(backend_form(i), name) == 0) {
      sb_free(&all);
      return true;
    }
    sb_printf(&all, "%s%s", i > 0 ? ", " : "", backend_form(i));
  }
  cli_usage(c, "there is no pass '%.100s'; there are %s", name, all.s);
  sb_free(&all);
  return false;
}

static json_t *plan_json(const Unit *u, size_t memory) {
  json_t *entries = json_array();
  for (int i = 0; i < u->program->nentries; i++) {
    const TdEntry *e = &u->program->entries[i];
    int launches = 0;
    for (int k = 0; k < e->nsteps; k++)
      launches += e->steps[k].kind == TD_LAUNCH && !e->steps[k].once;
    entries = json_and(entries, json_pack("{s:s, s:f, s:f, s:I, s:i}", "name", e->name, "flops",
                                          e->flops, "bytes", e->bytes, "arena",
                                          (json_int_t)e->arena_bytes, "launches", launches));
  }
  return json_pack("{s:o, s:I, s:I, s:i, s:o}", "name", json_text(u->name), "parameters",
                   (json_int_t)u->nweights, "memory", (json_int_t)memory, "kernels",
                   u->program->nkernels, "entries", entries);
}

static void plan_text(const Unit *u, size_t memory, const char *folder) {
  char weights[32], bytes[32], flops[32], moved[32], arena[32];
  format_count(weights, (double)u->nweights);
  format_bytes(bytes, (double)memory);
  printf("%s: %s parameters, %d kernels, %s of memory\n", u->name, weights, u->program->nkernels,
         bytes);
  printf("  %-24s %10s %10s %10s %9s\n", "entry", "FLOPs", "traffic", "scratch", "launches");
  for (int i = 0; i < u->program->nentries; i++) {
    const TdEntry *e = &u->program->entries[i];
    int launches = 0;
    for (int k = 0; k < e->nsteps; k++)
      launches += e->steps[k].kind == TD_LAUNCH && !e->steps[k].once;
    format_count(flops, e->flops);
    format_bytes(moved, e->bytes);
    format_bytes(arena, (double)e->arena_bytes);
    printf("  %-24s %10s %10s %10s %9d\n", e->name, flops, moved, arena, launches);
  }
  printf("written to %s\n", folder);
}

int cli_compile(Cli *c) {
  Project p;
  TdError err = {0};
  int code = 0;
  StrBuf dump = {0}, folder = {0};
  UnitOptions o = {.dump_pass = cli_text(c, "dump", NULL), .dump = &dump, .no_text = true};
  if (o.dump_pass != NULL && !form_exists(c, o.dump_pass)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code)) {
    size_t memory = 0;
    td_program_memory(p.unit->program, p.unit->threads, &memory);
    if (cli_has(c, "output"))
      sb_puts(&folder, cli_text(c, "output", ""));
    else
      sb_printf(&folder, "generated/%s", p.unit->name);
    if (o.dump_pass != NULL) {
      fputs(dump.s != NULL ? dump.s : "", stdout);
      code = cli_done(c);
    } else if (!write_all(folder.s, p.arena, p.unit, &err)) {
      code = cli_fail(c, &err);
    } else if (c->json) {
      code = cli_json(c, plan_json(p.unit, memory), JSON_INDENT(2));
    } else {
      plan_text(p.unit, memory, folder.s);
      code = cli_done(c);
    }
  }
  sb_free(&dump);
  sb_free(&folder);
  project_close(&p);
  return code;
}
