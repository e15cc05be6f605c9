/**
 * Moves to and from special purpose registers: a definition for each register and direction, from the table in sprs.ts.
 * Source: Power ISA v3.0B, Book I and III "Move To/From System Register Instructions".
 */
import { inProblemState } from "../common.js";
import { type InsnDefinition, type InsnOptions, insn } from "../insn.js";
import type { I32, Machine } from "../machine.js";
import { type Spr, type SprAccess, sprs } from "../sprs.js";

/** The SPR field: the halves of the number are swapped. */
function sprBits(number: number): string {
  const half = (value: number): string => (value & 31).toString(2).padStart(5, "0");
  return `${half(number)} ${half(number >> 5)}`;
}

const optionsOf = ({ since }: Spr, access: SprAccess): InsnOptions => ({
  ...(access === "problem" ? {} : { privileged: access }),
  ...(since ? { since } : {}),
});

function moveFrom(spr: Spr, access: SprAccess): InsnDefinition {
  const { name, number, get, guard, own } = spr;
  const pattern = `011111 rt:5 ${sprBits(number)} 0101010011 -` as "rt:5";
  return insn(own ? `mf${name}` : "mfspr", pattern, own ? "rt" : `rt, ${number}`, optionsOf(spr, access), (m, o) => {
    if (!get) return;
    const read = (): void => m.setGpr(o.rt, get(m));
    if (guard) guard(m, "read", read);
    else read();
  });
}

function moveTo(spr: Spr, access: SprAccess): InsnDefinition {
  const { name, number, put, guard, own } = spr;
  const pattern = `011111 rs:5 ${sprBits(number)} 0111010011 -` as "rs:5";
  return insn(own ? `mt${name}` : "mtspr", pattern, own ? "rs" : `${number}, rs`, optionsOf(spr, access), (m, o) => {
    if (!put) return;
    const write = (): void => put(m, m.gpr(o.rs));
    if (guard) guard(m, "write", write);
    else write();
  });
}

/**
 * A number that is no register, or not in this direction: nothing happens, but where the ISA wants an interrupt; `refused`
 * are those that the supervisor may not name either.
 */
function unknown(m: Machine, number: I32, refused: readonly number[]): void {
  const { i32 } = m;
  const reserved = refused.map((n) => i32.eq(number, i32.const(n))).reduce((x, y) => i32.or(x, y));
  m.if(
    inProblemState(m),
    () =>
      m.if(
        i32.and(number, i32.const(0x10)),
        () => m.raise("privileged"),
        () => m.raise("illegal"),
      ),
    () => m.if(reserved, () => m.raise("illegal")),
  );
}

const fallback = { fallback: true } as const;

export const mfspr = insn("mfspr", "011111 rt:5 spr:5 spr:5@5 0101010011 -", "rt, spr", fallback, (m, o) => {
  unknown(m, o.spr, [0, 4, 5, 6]);
});
export const mtspr = insn("mtspr", "011111 rs:5 spr:5 spr:5@5 0111010011 -", "spr, rs", fallback, (m, o) => {
  unknown(m, o.spr, [0]);
});

/** The older way to read the time base. */
const moveFromTimeBase = [
  insn("mftb", `011111 rt:5 ${sprBits(268)} 0101110011 -` as "rt:5", "rt, 268", (m, o) => {
    m.setGpr(o.rt, m.call("timeBase"));
  }),
  insn("mftb", `011111 rt:5 ${sprBits(269)} 0101110011 -` as "rt:5", "rt, 269", (m, o) => {
    m.setGpr(o.rt, m.i64.shrU(m.call("timeBase"), m.i64.const(32)));
  }),
];

export const moveSprInstructions: readonly InsnDefinition[] = [
  ...sprs.flatMap((spr) => [
    ...(spr.read ? [moveFrom(spr, spr.read)] : []),
    ...(spr.write ? [moveTo(spr, spr.write)] : []),
  ]),
  mfspr,
  mtspr,
  ...moveFromTimeBase,
];
