import type { HandlerSpec } from "../../arch/powerpc/engines/handlers.js";
import { frequent } from "../../arch/powerpc/engines/hot.js";
import { emitAddressOf, InterpreterRecorder } from "../../arch/powerpc/engines/interpreter-recorder.js";
import { codePage, Handler, state, tlb } from "../../arch/powerpc/engines/layout.js";
import type { HelperName } from "../../arch/powerpc/isa/helpers.js";
import { FunctionBuilder, type Label } from "../../wasm/function-builder.js";
import { conversionOpcodes, integerOpcodes, Op } from "../../wasm/opcodes.js";
import { type Exits, emit, plan } from "../ir.js";
import type { AccessContext } from "../memory-access.js";
import type { CoreRoutine } from "../recorder.js";
import { callDepth, tableBits } from "../region-entry.js";

/** What the core shares with the rest of the interpreter's module. */
export interface CoreContext {
  /** Bit 0 MSR[LE], bit 1 MSR[SF]. */
  readonly mode: number;
  /** Handlers of one mode in the handler table. */
  readonly stride: number;
  /** All handlers by number from `Handler.first`; the first `hotCount` stand in the core. */
  readonly specs: readonly HandlerSpec[];
  readonly hotCount: number;
  /** Function index of a routine of the run-time library. */
  helper(name: HelperName | CoreRoutine): number;
  access(stateLocal: number, table: AccessContext["table"], asid: AccessContext["asid"]): AccessContext;
  readonly regionType: number;
  readonly regionTable: number;
  readonly handlerType: number;
  readonly handlerTable: number;
}

const [i32, i64] = [0, 1] as const;

/** The core function of one mode: (state) -> 0: the mode changed, call the other core; 1: return to the caller. */
export function buildCore(c: CoreContext): FunctionBuilder {
  const { mode, stride } = c;
  const f = new FunctionBuilder(["i32"]);
  const mode64 = (mode & 2) !== 0;
  const s = 0;
  const ip = f.local("i32");
  const word = f.local("i32");
  const budget = f.local("i32");
  const pageStart = f.local("i32");
  const start = f.local("i32");
  const to = f.local("i32");
  const handler = f.local("i32");
  const table = f.local("i32");
  const fetchTable = f.local("i32");
  const codeMap = f.local("i32");
  const pageAddress = f.local("i64");
  const asid = f.local("i64");
  const fetchAsid = f.local("i64");
  const target = f.local("i64");

  const loadState32 = (field: keyof typeof state) => {
    f.get(s);
    f.memory(Op["i32.load"], state[field].offset);
  };
  /** state.pc = address of the entry that `entry` pushes. */
  const storePcOf = (g: FunctionBuilder, entry: () => void) => {
    g.get(s);
    emitAddressOf(g, pageAddress, entry, pageStart, mode64);
    g.memory(Op["i64.store"], state.pc.offset);
  };
  /** budget -= ip - start + extra */
  const pay = (extra: number) => {
    f.get(budget);
    f.get(ip);
    f.get(start);
    f.op(integerOpcodes.sub[i32]);
    f.op(integerOpcodes.sub[i32]);
    if (extra !== 0) {
      f.i32Const(extra);
      f.op(integerOpcodes.sub[i32]);
    }
    f.set(budget);
  };
  /** Notes the taken branch at `ip`, for CFAR. */
  const noteBranch = () => {
    f.get(s);
    f.get(ip);
    f.memory(Op["i32.store"], state.branchEntry.offset);
  };
  const entrySize = codePage.entrySize;
  const recorder = new InterpreterRecorder(
    {
      mode64,
      littleEndian: (mode & 1) !== 0,
      runtime: { helper: (name) => c.helper(name) },
      access: c.access(
        s,
        (g) => g.get(table),
        (g) => g.get(asid),
      ),
    },
    { state: s, word },
    (g) => emitAddressOf(g, pageAddress, () => g.get(ip), pageStart, mode64),
  );

  loadState32("budget");
  f.set(budget);
  const resync = f.loop();
  // pc is in the state, budget in its local; exits, interrupts and the end of a slice are looked at here.
  f.get(s);
  f.get(budget);
  f.memory(Op["i32.store"], state.budget.offset);
  loadState32("exitCode");
  f.if();
  f.i32Const(1);
  f.return();
  f.end();
  f.get(budget);
  f.i32Const(0);
  f.op(integerOpcodes.ltS[i32]);
  loadState32("recheck");
  f.op(integerOpcodes.or[i32]);
  f.if();
  f.get(s);
  // Always returns: a function that runs on never gets the engine's optimised code, and run() calls again.
  f.call(c.helper("service"));
  f.return();
  f.end();
  f.get(s);
  f.call(c.helper("fetch"));
  f.tee(ip);
  f.op(integerOpcodes.eqz[i32]);
  f.if();
  f.i32Const(1);
  f.return();
  f.end();
  loadState32("mode");
  f.i32Const(mode);
  f.op(integerOpcodes.ne[i32]);
  f.if();
  f.i32Const(0);
  f.return();
  f.end();
  loadState32("budget");
  f.set(budget);
  loadState32("tlb");
  f.set(table);
  f.get(s);
  f.memory(Op["i64.load"], state.asid.offset);
  f.set(asid);
  loadState32("fetchTlb");
  f.set(fetchTable);
  f.get(s);
  f.memory(Op["i64.load"], state.fetchAsid.offset);
  f.set(fetchAsid);
  loadState32("codeMap");
  f.set(codeMap);
  loadState32("fetchPage");
  f.set(pageStart);
  // pageAddress = pc - (ip - pageStart) / 2
  f.get(s);
  f.memory(Op["i64.load"], state.pc.offset);
  f.i64Const(-4096n);
  f.op(integerOpcodes.and[i64]);
  f.set(pageAddress);
  // A page of code that is entered through another address than before: CFAR may still need the old one.
  f.get(pageStart);
  f.memory(Op["i64.load"], codePage.effective);
  f.get(pageAddress);
  f.op(integerOpcodes.ne[i64]);
  f.if();
  f.get(s);
  f.call(c.helper("settleComeFrom"));
  f.get(pageStart);
  f.get(pageAddress);
  f.memory(Op["i64.store"], codePage.effective);
  f.end();
  f.get(ip);
  f.set(start);

  const next = f.loop();
  const go = f.block();
  const jump = f.block();
  const leave = f.block();
  const fault = f.block();
  const taken = f.block();
  // Blocks from the outermost (rare) to the innermost (handler 0).
  const rare = f.block();
  const count = Handler.first + c.hotCount;
  const labels: Label[] = new Array(count);
  for (let i = count - 1; i >= 0; i--) labels[i] = f.block();
  f.get(ip);
  f.memory(Op["i32.load"], 4);
  f.set(word);
  f.get(ip);
  f.memory(Op["i32.load"], 0);
  f.tee(handler);
  f.i32Const(Handler.first);
  f.op(integerOpcodes.sub[i32]);
  const weights = c.specs.map((spec) => frequent[spec.name] ?? 0);
  const frequentCount = weights.indexOf(0);
  f.i32Const(frequentCount);
  f.op(integerOpcodes.ltU[i32]);
  f.if();
  /** Branches to the handler if its number lies in this range. */
  const compare = (from: number, to: number): void => {
    if (to - from === 1) {
      f.br(labels[Handler.first + from] as Label);
      return;
    }
    const total = weights.slice(from, to).reduce((a, b) => a + b);
    let left = 0;
    let middle = from;
    while (middle < to - 1 && left + (weights[middle] as number) / 2 < total / 2) left += weights[middle++] as number;
    middle = Math.max(middle, from + 1);
    f.get(handler);
    f.i32Const(Handler.first + middle);
    f.op(integerOpcodes.ltU[i32]);
    f.if();
    compare(from, middle);
    f.end();
    compare(middle, to);
  };
  compare(0, frequentCount);
  f.end();
  f.get(handler);
  f.brTable(labels, rare);
  const sequential = () => {
    f.get(ip);
    f.i32Const(entrySize);
    f.op(integerOpcodes.add[i32]);
    f.set(ip);
    f.br(next);
  };
  // Handler 0: not decoded yet.
  f.end();
  f.get(s);
  f.get(ip);
  f.call(c.helper("decode"));
  f.br(next);
  // Handler 1: the page's end. The entry's own address is the next page's.
  f.end();
  storePcOf(f, () => f.get(ip));
  f.br(fault);
  // Handler 2: a translated region, its index in the entry's word. Only 64-bit code is translated: in the other modes the
  // entry becomes an instruction's again.
  f.end();
  if (mode64) {
    storePcOf(f, () => f.get(ip));
    pay(0);
    f.get(s);
    f.get(budget);
    f.memory(Op["i32.store"], state.budget.offset);
    f.get(s);
    f.get(word);
    f.i32Const(tableBits);
    f.op(integerOpcodes.shrU[i32]);
    f.i32Const(callDepth);
    f.get(word);
    f.i32Const((1 << tableBits) - 1);
    f.op(integerOpcodes.and[i32]);
    f.callIndirect(c.regionType, c.regionTable);
    f.set(to);
    const count64 = (field: "statTranslated" | "statRegionRuns", amount: () => void) => {
      f.get(s);
      f.get(s);
      f.memory(Op["i64.load"], state[field].offset);
      amount();
      f.op(integerOpcodes.add[i64]);
      f.memory(Op["i64.store"], state[field].offset);
    };
    count64("statTranslated", () => {
      f.get(budget);
      loadState32("budget");
      f.op(integerOpcodes.sub[i32]);
      f.op(conversionOpcodes.extendS);
    });
    count64("statRegionRuns", () => f.i64Const(1n));
    loadState32("budget");
    f.set(budget);
    // 1: it only jumps, so nothing but pc has to be looked at.
    f.get(to);
    f.op(integerOpcodes.eqz[i32]);
    f.brIf(resync);
    f.get(s);
    loadState32("exitsToSample");
    f.i32Const(1);
    f.op(integerOpcodes.sub[i32]);
    f.tee(to);
    f.memory(Op["i32.store"], state.exitsToSample.offset);
    f.get(to);
    f.i32Const(0);
    f.op(integerOpcodes.leS[i32]);
    f.if();
    f.get(s);
    f.call(c.helper("regionLeft"));
    f.end();
    f.get(s);
    f.memory(Op["i64.load"], state.pc.offset);
    f.set(target);
    f.br(go);
  } else {
    f.get(s);
    f.get(ip);
    f.call(c.helper("decode"));
    f.br(next);
  }
  const exits: Exits = {
    storePc: (g) => storePcOf(g, () => g.get(ip)),
    fault: (g) => g.br(fault),
    leave: (g) => g.br(leave),
    handOver: () => {},
    leaveHandedOver: (g) => g.br(leave),
    jump: (g, to64, value) => {
      if (to64.displacement) {
        g.get(ip);
        value(to64.displacement);
        g.i32Const(1);
        g.op(integerOpcodes.shl[i32]);
        g.op(integerOpcodes.add[i32]);
        g.set(to);
        g.br(taken);
        return;
      }
      value(to64);
      g.i64Const(mode64 ? -4n : 0xfffffffcn);
      g.op(integerOpcodes.and[i64]);
      g.set(target);
      g.br(jump);
    },
  };
  // Handler 3: no instruction.
  f.end();
  storePcOf(f, () => f.get(ip));
  f.get(s);
  f.i32Const(0);
  f.call(c.helper("raise"));
  f.br(fault);
  for (const spec of c.specs.slice(0, c.hotCount)) {
    f.end();
    emit(f, plan(recorder.handler(spec)), exits);
    sequential();
  }
  f.end(); // rare
  storePcOf(f, () => f.get(ip));
  f.get(s);
  f.get(word);
  f.get(ip);
  f.memory(Op["i32.load"], 0);
  f.i32Const(mode * stride);
  f.op(integerOpcodes.add[i32]);
  f.callIndirect(c.handlerType, c.handlerTable);
  f.tee(to);
  f.op(integerOpcodes.eqz[i32]);
  f.if();
  sequential();
  f.end();
  f.get(to);
  f.i32Const(1);
  f.op(integerOpcodes.eq[i32]);
  f.brIf(leave);
  f.br(fault);

  f.end(); // taken: `to` is where the entry of the target would be if the page went on for ever
  noteBranch();
  pay(entrySize);
  f.get(to);
  f.get(pageStart);
  f.op(integerOpcodes.sub[i32]);
  f.i32Const(codePage.instructions * entrySize);
  f.op(integerOpcodes.ltU[i32]);
  f.get(budget);
  f.i32Const(0);
  f.op(integerOpcodes.geS[i32]);
  f.op(integerOpcodes.and[i32]);
  f.if();
  f.get(to);
  f.tee(ip);
  f.set(start);
  f.br(next);
  f.end();
  emitAddressOf(f, pageAddress, () => f.get(to), pageStart, mode64);
  f.set(target);
  f.br(go);

  f.end(); // fault: pc is set, the instruction does not count
  pay(0);
  f.get(s);
  f.i32Const(0);
  f.memory(Op["i32.store"], state.fault.offset);
  f.br(resync);

  f.end(); // leave: pc is set, the instruction counts
  pay(entrySize);
  f.br(resync);

  f.end(); // jump: to the address in `target`
  noteBranch();
  pay(entrySize);

  f.end(); // go: the same, already paid for. What `fetch` would find at once is found here.
  f.get(budget);
  f.i32Const(0);
  f.op(integerOpcodes.geS[i32]);
  f.if();
  f.get(fetchTable);
  f.get(target);
  f.i64Const(BigInt(tlb.pageShift - Math.log2(tlb.entrySize)));
  f.op(integerOpcodes.shrU[i64]);
  f.op(conversionOpcodes.wrap);
  f.i32Const((tlb.entries - 1) * tlb.entrySize);
  f.op(integerOpcodes.and[i32]);
  f.op(integerOpcodes.add[i32]);
  f.tee(to);
  f.memory(Op["i64.load"], tlb.executeTag);
  f.get(target);
  f.i64Const(-(1n << BigInt(tlb.pageShift)));
  f.op(integerOpcodes.and[i64]);
  f.get(fetchAsid);
  f.op(integerOpcodes.or[i64]);
  f.op(integerOpcodes.eq[i64]);
  f.if();
  // Address of the code page: codeMap[physical page of 4 KiB].
  f.get(codeMap);
  f.get(to);
  f.memory(Op["i32.load"], tlb.physicalPage);
  f.i32Const(tlb.pageShift - codePage.shift);
  f.op(integerOpcodes.shl[i32]);
  f.get(target);
  f.i64Const(BigInt(codePage.shift));
  f.op(integerOpcodes.shrU[i64]);
  f.op(conversionOpcodes.wrap);
  f.i32Const((1 << (tlb.pageShift - codePage.shift)) - 1);
  f.op(integerOpcodes.and[i32]);
  f.op(integerOpcodes.or[i32]);
  f.i32Const(2);
  f.op(integerOpcodes.shl[i32]);
  f.op(integerOpcodes.add[i32]);
  f.memory(Op["i32.load"], 0);
  f.tee(to);
  f.if();
  f.get(to);
  f.memory(Op["i64.load"], codePage.effective);
  f.get(target);
  f.i64Const(-4096n);
  f.op(integerOpcodes.and[i64]);
  f.tee(pageAddress);
  f.op(integerOpcodes.eq[i64]);
  f.if();
  f.get(to);
  f.tee(pageStart);
  f.get(target);
  f.op(conversionOpcodes.wrap);
  f.i32Const(0xffc);
  f.op(integerOpcodes.and[i32]);
  f.i32Const(1);
  f.op(integerOpcodes.shl[i32]);
  f.op(integerOpcodes.add[i32]);
  f.tee(ip);
  f.set(start);
  f.br(next);
  f.end();
  f.end();
  f.end();
  f.end();
  f.get(s);
  f.get(target);
  f.memory(Op["i64.store"], state.pc.offset);
  f.br(resync);
  f.end(); // next
  f.op(Op.unreachable);
  f.end(); // resync
  f.op(Op.unreachable);
  return f;
}
