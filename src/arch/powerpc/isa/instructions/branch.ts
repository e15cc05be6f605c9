/** Branches. Source: Power ISA v3.0B, Book I "Branch Instructions". */
import { bitOf, FacilityCause, modeAddress, withFacility } from "../common.js";
import { insn } from "../insn.js";
import type { I32, I64, Machine } from "../machine.js";

/** Whether the branch is taken, by BO and BI; decrements CTR if BO says so. */
function branchCondition(m: Machine, bo: I32, bi: I32, usesCtr = true): I32 {
  const { i32, i64 } = m;
  const bit = (n: number) => bitOf(m, bo, n);
  // Selects rather than logic, so that a constant BO leaves only what it asks for.
  const one = i32.const(1);
  const matches = i32.eq(m.crBit(bi), bit(3));
  const condition = m.select(bit(4), one, matches);
  if (!usesCtr) return condition;
  m.if(i32.eqz(bit(2)), () => m.set("ctr", i64.sub(m.get("ctr"), i64.const(1))));
  const ctr = m.get("ctr");
  const isZero = m.mode64 ? i64.eqz(ctr) : i32.eqz(i32.wrap(ctr));
  const counted = i32.eq(isZero, bit(1));
  return m.select(bit(2), condition, m.select(bit(4), counted, i32.and(counted, matches)));
}

function link(m: Machine): void {
  m.set("lr", modeAddress(m, m.i64.add(m.cia(), m.i64.const(4))));
}

function target(m: Machine, displacement: I32, absolute: boolean): I64 {
  const offset = m.i64.extendS(displacement);
  return absolute ? offset : m.i64.add(m.cia(), offset);
}

export const b = insn("b", "010010 target:s24*4 aa? lk?", "target", (m, o) => {
  const to = target(m, o.target, o.aa);
  if (o.lk) link(m);
  m.jump(to);
});

export const bc = insn("bc", "010000 bo:5 bi:5 target:s14*4 aa? lk?", "bo, bi, target", (m, o) => {
  const taken = branchCondition(m, o.bo, o.bi);
  if (o.lk) link(m);
  m.if(taken, () => m.jump(target(m, o.target, o.aa)));
});

export const bclr = insn("bclr", "010011 bo:5 bi:5 - - - bh:2 0000010000 lk?", "bo, bi, bh", (m, o) => {
  const taken = branchCondition(m, o.bo, o.bi);
  const to = m.get("lr");
  if (o.lk) link(m);
  m.if(taken, () => m.jump(to));
});

export const bcctr = insn("bcctr", "010011 bo:5 bi:5 - - - bh:2 1000010000 lk?", "bo, bi, bh", (m, o) => {
  const taken = branchCondition(m, o.bo, o.bi, false);
  const to = m.get("ctr");
  if (o.lk) link(m);
  m.if(taken, () => m.jump(to));
});

export const bctar = insn("bctar", "010011 bo:5 bi:5 - - - bh:2 1000110000 lk?", "bo, bi, bh", (m, o) => {
  withFacility(m, FacilityCause.targetAddress, () => {
    const taken = branchCondition(m, o.bo, o.bi);
    if (o.lk) link(m);
    m.if(taken, () => m.jump(m.get("tar")));
  });
});

export const branchInstructions = [b, bc, bclr, bcctr, bctar];
