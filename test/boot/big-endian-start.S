# Entered as a kernel is: real mode, big-endian, r3 = the device tree. Makes a stack and a TOC pointer, turns on
# floating point, vectors and VSX, and goes on in C.
  .section .text.start, "ax"
  .globl _start
_start:
  lis     1, stack_end@ha
  addi    1, 1, stack_end@l
  addi    1, 1, -256
  lis     2, .TOC.@ha
  addi    2, 2, .TOC.@l
  mfmsr   4
  ori     4, 4, 0x2000
  oris    4, 4, 0x0280
  mtmsrd  4
  isync
  bl      start
1:
  b       1b

# hcall(number, four arguments)
  .globl hcall
hcall:
  sc      1
  blr

# run_code(address)
  .globl run_code
run_code:
  mflr    0
  std     0, 16(1)
  mtctr   3
  bctrl
  ld      0, 16(1)
  mtlr    0
  blr

  .bss
  .balign 16
  .space 65536
stack_end:
