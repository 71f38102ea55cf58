/* SPDX-License-Identifier: MIT */
/* UTF-8, strictly. */
#include "runtime/system/utf8.h"

#include <utf8proc.h>

size_t utf8_decode(const uint8_t *s, size_t n, uint32_t *point) {
  if (n == 0) return 0;
  if (s[0] < 0x80) {
    *point = s[0];
    return 1;
  }
  size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (s[0] < 0xc2 || s[0] > 0xf4 || len > n) return 0;
  uint32_t p = s[0] & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    p = p << 6 | (s[i] & 0x3fu);
  }
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (p < least[len] || p > 0x10ffff || (p >= 0xd800 && p < 0xe000)) return 0;
  *point = p;
  return len;
}

size_t utf8_put(uint32_t point, char out[4]) {
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = len - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3f));
  out[0] = (char)((0xf00u >> len & 0xf0u) | point);
  return len;
}

int utf8_columns(uint32_t point) {
  static const uint32_t shown_by_none = 1u << UTF8PROC_CATEGORY_CC | 1u << UTF8PROC_CATEGORY_CF |
                                        1u << UTF8PROC_CATEGORY_CS | 1u << UTF8PROC_CATEGORY_CN |
                                        1u << UTF8PROC_CATEGORY_ZL | 1u << UTF8PROC_CATEGORY_ZP;
  utf8proc_int32_t p = (utf8proc_int32_t)point;
  return shown_by_none >> utf8proc_category(p) & 1 ? -1 : utf8proc_charwidth(p);
}

bool utf8_valid(const char *text, size_t n) {
  for (size_t i = 0, step; i < n; i += step) {
    uint32_t point;
    step = utf8_decode((const uint8_t *)text + i, n - i, &point);
    if (step == 0) return false;
  }
  return true;
}

void utf8_mend(StrBuf *out, const char *text, size_t n) {
  for (size_t i = 0, step; i < n; i += step) {
    uint32_t point;
    step = utf8_decode((const uint8_t *)text + i, n - i, &point);
    if (step > 0) {
      sb_write(out, text + i, step);
    } else {
      sb_puts(out, "\xef\xbf\xbd");
      step = 1;
    }
  }
}
