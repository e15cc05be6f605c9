/** Random x86 programs: loops, branches, calls, flags that go from one instruction to a later one. */
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { registerName } from "../../../src/arch/x86/isa/registers.js";
import type { Random } from "../../differential/random.js";

const pointers = { 8: "byte", 16: "word", 32: "dword", 64: "qword" } as const;
const conditions = "o no b ae e ne be a s ns p np l ge le g".split(" ");
/** By the size of code: what programs compute with; what points to data; what counts. */
const parts = {
  64: { sizes: [8, 16, 32, 64], free: [0, 1, 2, 3, 6, 7, 9, 10, 11, 12, 13], data: "r8", counters: ["r14", "r15"] },
  32: { sizes: [8, 16, 32], free: [0, 1, 2, 3], data: "esi", counters: ["edi", "ebp"] },
} as const;

export interface Program {
  readonly code: number[];
  /** Offsets of its instructions. */
  readonly places: number[];
}

/** A program for this address, which ends with INT3. R8, in code of 32 bits ESI, points to 0x60 bytes of data. */
export function program(random: Random, at: bigint, whole: 32 | 64): Program {
  const { sizes, free, data, counters } = parts[whole];
  const code: number[] = [];
  const places: number[] = [];
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const here = () => at + BigInt(code.length);
  const emit = (text: string) => {
    places.push(code.length);
    code.push(...assemble(text, whole, here()));
  };
  /** A jump of 32 bits, to be told where to. */
  const jump = (...opcode: number[]) => {
    places.push(code.length);
    code.push(...opcode, 0, 0, 0, 0);
    return code.length;
  };
  const land = (end: number, target = code.length) => {
    for (let i = 0; i < 4; i++) code[end - 4 + i] = ((target - end) >> (8 * i)) & 0xff;
  };
  const register = (size: number) => registerName(pick<number>(free), size);
  const memory = (size: 8 | 16 | 32 | 64) => `${pointers[size]} ptr [${data}+0x${random.below(0x60).toString(16)}]`;
  const plain = () => {
    const size = pick<8 | 16 | 32 | 64>(sizes);
    const either = () => (random.below(3) === 0 ? memory(size) : register(size));
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2: {
        const name = pick(["add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test", "mov"]);
        if (random.below(2)) emit(`${name} ${either()}, ${register(size)}`);
        else emit(`${name} ${either()}, 0x${random.below(0x80).toString(16)}`);
        break;
      }
      case 3:
        emit(`${pick(["inc", "dec", "neg", "not"])} ${either()}`);
        break;
      case 4:
        emit(`${pick(["shl", "shr", "sar", "rol", "ror", "rcl", "rcr"])} ${either()}, 1`);
        break;
      case 5:
        emit(`set${pick(conditions)} ${random.below(3) === 0 ? memory(8) : register(8)}`);
        break;
      case 6: {
        const wide = pick(([16, 32, 64] as const).filter((one) => one <= whole));
        emit(`cmov${pick(conditions)} ${register(wide)}, ${random.below(3) === 0 ? memory(wide) : register(wide)}`);
        break;
      }
      case 7:
        emit(
          `${pick(["movzx", "movsx"])} ${register(pick([32, whole]))}, ${random.below(2) ? memory(16) : register(8)}`,
        );
        break;
      case 8:
        emit(`lea ${register(whole)}, [${register(whole)}+${register(whole)}*${pick([1, 2, 4, 8])}-0x35]`);
        break;
      case 9:
        emit(`${pick(["xchg", "xadd", "cmpxchg"])} ${either()}, ${register(size)}`);
        break;
      case 10:
        emit(`push ${register(whole)}`);
        emit(`pop ${register(whole)}`);
        break;
      default:
        emit(`${pick(["popcnt", "bsf", "mov"])} ${register(whole)}, ${memory(whole)}`);
        // What bsf leaves undefined is not looked at.
        emit(`add ${register(32)}, ${register(32)}`);
    }
  };
  const calls: number[] = [];
  const some = (depth: number): void => {
    for (let i = 2 + random.below(4); i > 0; i--) {
      switch (random.below(5)) {
        case 0: {
          const end = jump(0x0f, 0x80 + random.below(16));
          some(depth + 1);
          land(end);
          break;
        }
        case 1: {
          if (depth > 1) break;
          const counter = depth === 0 ? counters[0] : counters[1];
          emit(`mov ${counter}, 0x${(2 + random.below(depth === 0 ? 30 : 8)).toString(16)}`);
          const again = code.length;
          if (depth === 0 && code.length < 300) some(1);
          plain();
          emit(`sub ${counter}, 1`);
          land(jump(0x0f, 0x85), again);
          break;
        }
        case 2:
          calls.push(jump(0xe8));
          break;
        default:
          plain();
      }
      if (code.length > 600) return;
    }
  };
  for (let i = 0; i < 3; i++) some(0);
  code.push(0xcc);
  const functions = [0, 1].map(() => {
    const start = code.length;
    for (let i = random.below(4); i >= 0; i--) plain();
    emit("ret");
    return start;
  });
  for (const end of calls) land(end, functions[random.below(2)]);
  return { code, places };
}
