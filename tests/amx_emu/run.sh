#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Unit tests NAME and models FILE.td once more where the processor has no tiles (AMX) but all else that
# kernels with tiles need: these are emulated (amx.h). Where it has them, all has run on them before.
set -u
b=build/tests
if grep -qw amx_bf16 /proc/cpuinfo; then
  echo "the processor's own tiles have been tested"
  echo "0 passed, 0 failed"
  exit 0
fi
if ! grep -qw avx512_bf16 /proc/cpuinfo; then
  echo "SKIP: kernels with emulated tiles need a processor with AVX-512 and its bf16"
  echo "0 passed, 0 failed, $# skipped"
  exit 0
fi
# another text of the emulation is another kernel
read -r text _ < <(cksum <tests/amx_emu/amx.h)
export TDC_CACHE=$b/jit-amx
export TDC_CFLAGS="-mamx-tile -mamx-bf16 -include $PWD/tests/amx_emu/amx.h -DAMX_EMU_TEXT=$text"
status=0
for what in "$@"; do
  case $what in
    *.td) "$b/models" --brief "$what" || status=1 ;;
    *) "$b/test_$what" || status=1 ;;
  esac
done
exit $status
