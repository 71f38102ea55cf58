/* What both sides of the contract need to know about storage types. */
#include "runtime/program.h"

#include "dsl/base.h"

size_t td_type_size(TdType t) {
  switch (t) {
    case TD_F64: return 8;
    case TD_F32:
    case TD_I32: return 4;
    case TD_BF16:
    case TD_F16: return 2;
    case TD_U8: return 1;
  }
  bug("unknown storage type %d", (int)t);
}
