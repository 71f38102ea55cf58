/* The plan of a program as text. */
#include "compiler/backend.h"

void backend_print_plan(const TdProgram *p, StrBuf *out) {
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    sb_printf(out, "%-12s %-28s %6lld pieces %12.0f flops %12.0f bytes  %s\n", k->klass, k->name, (long long)k->pieces,
              k->flops, k->bytes, k->where);
  }
}
