/* SPDX-License-Identifier: MIT */
/* tdc cache: where compiled kernels are, and their removal. */
#include <inttypes.h>
#include <string.h>

#include "runtime/system/cache.h"
#include "runtime/system/json.h"
#include "runtime/cli/cli.h"

int cli_cache(Cli *c) {
  TdError err = {0};
  bool clear = c->nargs == 1 && strcmp(c->args[0], "clear") == 0;
  if (c->nargs == 1 && !clear)
    return cli_usage(c, "`tdc cache` takes `clear` or nothing, not '%.100s'", c->args[0]);
  Cache *cache = cache_open(NULL, NULL, false, &err);
  if (cache == NULL) return cli_fail(c, &err);
  int64_t entries, bytes;
  char size[32];
  int code;
  cache_usage(cache, &entries, &bytes);
  format_bytes(size, (double)bytes);
  if (cache_complaint(cache) != NULL) fprintf(stderr, "tdc: %s\n", cache_complaint(cache));
  if (clear) entries = cache_clear(cache);
  if (c->json) {
    json_t *o =
        json_pack("{s:o, s:I, s:I, s:b}", "folder", json_text(cache_folder(cache)), "entries",
                  (json_int_t)entries, "bytes", (json_int_t)bytes, "cleared", (int)clear);
    code = cli_json(c, o, JSON_COMPACT);
  } else {
    printf("%s: %s%" PRId64 " entries, %s\n", cache_folder(cache), clear ? "removed " : "", entries,
           size);
    code = cli_done(c);
  }
  cache_close(cache);
  return code;
}
