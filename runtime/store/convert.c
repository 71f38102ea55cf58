/* SPDX-License-Identifier: MIT */
/* Number formats of tensors: half precision, bfloat16 and the rest, converted
 * with one rounding each. */
#include "runtime/store/safetensors.h"

#include <string.h>

static const struct {
  const char *name;
  size_t size;
} type_table[ST_TYPES] = {
    [ST_F64] = {"F64", 8},   [ST_F32] = {"F32", 4},         [ST_F16] = {"F16", 2},
    [ST_BF16] = {"BF16", 2}, [ST_I64] = {"I64", 8},         [ST_I32] = {"I32", 4},
    [ST_U8] = {"U8", 1},     [ST_BOOL] = {"BOOL", 1},       [ST_I16] = {"I16", 2},
    [ST_I8] = {"I8", 1},     [ST_U64] = {"U64", 8},         [ST_U32] = {"U32", 4},
    [ST_U16] = {"U16", 2},   [ST_F8_E4M3] = {"F8_E4M3", 1}, [ST_F8_E5M2] = {"F8_E5M2", 1},
};

size_t st_type_size(StType t) { return type_table[t].size; }
const char *st_type_name(StType t) { return type_table[t].name; }

static uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

uint16_t bf16_from_f32(float x) {
  uint32_t u = bits_of(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40); /* NaN stays quiet */
  return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

float f32_from_bf16(uint16_t h) { return float_of((uint32_t)h << 16); }

/* Shift right by `by` (1 .. 24), to nearest, ties to even. */
static uint32_t round_shift(uint32_t m, unsigned by) {
  uint32_t kept = m >> by, lost = m & ((1u << by) - 1), half = 1u << (by - 1);
  return kept + (lost > half || (lost == half && (kept & 1)) ? 1 : 0);
}

uint16_t f16_from_f32(float x) {
  uint32_t u = bits_of(x), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and above: infinity */
  int exponent = (int)(magnitude >> 23) - 127;
  uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  if (exponent < -25) return (uint16_t)sign; /* below half the smallest */
  if (exponent < -14) return (uint16_t)(sign | round_shift(mantissa, (unsigned)(-1 - exponent)));
  return (uint16_t)(sign | (((uint32_t)(exponent + 14) << 10) + round_shift(mantissa, 13)));
}

float f32_from_f16(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ffu;
  if (exponent == 31) return float_of(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) return float_of(sign | ((exponent + 112) << 23) | (mantissa << 13));
  float x = (float)mantissa * 0x1p-24f;
  return sign ? -x : x;
}

/* ---- any to any ------------------------------------------------------------ */

static bool is_real(StType t) { return t == ST_F64 || t == ST_F32 || t == ST_F16 || t == ST_BF16; }

static double load_real(StType t, const uint8_t *p) {
  double d;
  float f;
  uint16_t h;
  if (t == ST_F64) {
    memcpy(&d, p, sizeof d);
    return d;
  }
  if (t == ST_F32) {
    memcpy(&f, p, sizeof f);
    return (double)f;
  }
  memcpy(&h, p, sizeof h);
  return (double)(t == ST_F16 ? f32_from_f16(h) : f32_from_bf16(h));
}

static void store_real(StType t, uint8_t *p, double d) {
  float f = (float)d;
  if (t == ST_F64) {
    memcpy(p, &d, sizeof d);
    return;
  }
  if (t == ST_F32) {
    memcpy(p, &f, sizeof f);
    return;
  }
  uint16_t h = t == ST_F16 ? f16_from_f32(f) : bf16_from_f32(f);
  memcpy(p, &h, sizeof h);
}

static int64_t load_int(StType t, const uint8_t *p) {
  int64_t l;
  int32_t i;
  if (t == ST_I64) {
    memcpy(&l, p, sizeof l);
    return l;
  }
  if (t == ST_I32) {
    memcpy(&i, p, sizeof i);
    return i;
  }
  return *p;
}

static void store_int(StType t, uint8_t *p, int64_t x) {
  int32_t i = (int32_t)x;
  if (t == ST_I64) {
    memcpy(p, &x, sizeof x);
    return;
  }
  if (t == ST_I32) {
    memcpy(p, &i, sizeof i);
    return;
  }
  *p = (uint8_t)x;
}

bool st_convert(StType to_type, void *to, StType from_type, const void *from, size_t n) {
  size_t in = st_type_size(from_type), out = st_type_size(to_type);
  uint8_t *q = to;
  const uint8_t *p = from;
  if (to_type == from_type) {
    if (n > 0) memcpy(to, from, n * in);
    return true;
  }
  if (from_type >= ST_I16 || to_type >= ST_I16 || is_real(from_type) != is_real(to_type))
    return false;
  for (size_t i = 0; i < n; i++, p += in, q += out) {
    if (is_real(from_type))
      store_real(to_type, q, load_real(from_type, p));
    else
      store_int(to_type, q, load_int(from_type, p));
  }
  return true;
}
