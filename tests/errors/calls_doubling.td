op a0(x) -> y = x + 1
op a1(x) -> y = a0(x) + a0(x + 1)
op a2(x) -> y = a1(x) + a1(x + 1)
op a3(x) -> y = a2(x) + a2(x + 1)
op a4(x) -> y = a3(x) + a3(x + 1)
op a5(x) -> y = a4(x) + a4(x + 1)
op a6(x) -> y = a5(x) + a5(x + 1)
op a7(x) -> y = a6(x) + a6(x + 1)
op a8(x) -> y = a7(x) + a7(x + 1)
op a9(x) -> y = a8(x) + a8(x + 1)
op a10(x) -> y = a9(x) + a9(x + 1)
op a11(x) -> y = a10(x) + a10(x + 1)
op a12(x) -> y = a11(x) + a11(x + 1)
op a13(x) -> y = a12(x) + a12(x + 1)
op a14(x) -> y = a13(x) + a13(x + 1)
op a15(x) -> y = a14(x) + a14(x + 1)
op a16(x) -> y = a15(x) + a15(x + 1)
op a17(x) -> y = a16(x) + a16(x + 1)
op a18(x) -> y = a17(x) + a17(x + 1)
op a19(x) -> y = a18(x) + a18(x + 1)
op a20(x) -> y = a19(x) + a19(x + 1)
op a21(x) -> y = a20(x) + a20(x + 1)
op a22(x) -> y = a21(x) + a21(x + 1)
op a23(x) -> y = a22(x) + a22(x + 1)
op a24(x) -> y = a23(x) + a23(x + 1)
op a25(x) -> y = a24(x) + a24(x + 1)
op a26(x) -> y = a25(x) + a25(x + 1)
op a27(x) -> y = a26(x) + a26(x + 1)
op a28(x) -> y = a27(x) + a27(x + 1)
op a29(x) -> y = a28(x) + a28(x + 1)
#! tests/errors/calls_doubling.td:2:25: error[E0321]: this call comes to more than 4000 calls of functions, each of which is instantiated
#!     2 | op a1(x) -> y = a0(x) + a0(x + 1)
#!       |                         ^^^^^^^^^
#!    note: tests/errors/calls_doubling.td:3:25: in this use of 'a1'
#!    note: tests/errors/calls_doubling.td:4:25: in this use of 'a2'
#!    note: tests/errors/calls_doubling.td:5:25: in this use of 'a3'
#!    note: tests/errors/calls_doubling.td:6:17: in this use of 'a4'
