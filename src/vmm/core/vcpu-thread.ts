/**
 * The loop of a thread that runs one vCPU: run the guest, answer here what can be answered here, ask the machine's thread
 * for the rest, wait when the CPU is stopped.
 */
import { callback, having, listOf, optional, options, taking, text, wholeNumber } from "../../base/takes.js";
import { isForwarded } from "../../kvm/uapi/exits.js";
import type { AttachedVm, Exit, RunOptions, SharedVm, Vcpu } from "../../kvm/uapi.js";
import { describeError } from "../errors.js";
import { CpuLimit, type ThreadTime } from "./cpu-limit.js";
import { fillFrom, type ReadFile } from "./latent-ram.js";
import {
  type TraceSink,
  type VcpuSide,
  type VcpuSideHost,
  type VcpuThreadMessage,
  type VcpuThreadStart,
  whyNotForwarded,
} from "./machine.js";
import { Mailbox, Turn } from "./mailbox.js";
import { type LoadDisassembler, traceKernelSide, traceLine } from "./trace.js";

export interface VcpuThreadParts {
  /** Loads what attaching to the VM needs; what it gives attaches. The architecture's module has it. */
  readonly prepareAttach: (shared: SharedVm) => Promise<() => AttachedVm>;
  /** Makes the machine's side from what the machine shares. */
  readonly createSide: (cpu: number, shared: unknown, host: VcpuSideHost) => VcpuSide | Promise<VcpuSide>;
  readonly post: (message: VcpuThreadMessage) => void;
  readonly loadDisassembler?: LoadDisassembler;
  /** Where RAM may lie in files. */
  readonly readFile?: ReadFile;
  /** What tells how long this thread has been on a processor, where the platform knows. */
  readonly threadTime?: () => ThreadTime | undefined;
}

/** Trace text is sent in pieces of about this many characters. */
const traceChunk = 16384;

/** Runs until the machine's thread says quit. Does not throw: failures are posted. */
export const runVcpuThread = taking(
  "runVcpuThread",
  {
    start: having({ cpu: wholeNumber, vm: having({}), trace: listOf(text) }),
    parts: options({
      prepareAttach: callback,
      createSide: callback,
      post: callback,
      loadDisassembler: optional(callback),
      readFile: optional(callback),
      threadTime: optional(callback),
    }),
  },
  runThread,
  { promises: true },
);

async function runThread(
  start: VcpuThreadStart,
  { prepareAttach, createSide, post, loadDisassembler, readFile, threadTime }: VcpuThreadParts,
): Promise<void> {
  const mailbox = new Mailbox(start.mailbox);
  let pending = "";
  const flush = (): void => {
    if (!pending) return;
    mailbox.traceSending();
    post({ type: "trace", text: pending });
    pending = "";
  };
  const trace: TraceSink = (category, cpu, text) => {
    if (!start.trace.some((wanted) => wanted === category)) return;
    pending += traceLine(category, cpu, text);
    if (pending.length >= traceChunk) flush();
  };
  try {
    const attach = await prepareAttach(start.vm);
    const traced = start.trace.length > 0;
    const side = await createSide(start.cpu, start.machine, {
      announceConsole: () => post({ type: "console" }),
      mayWait: true,
      trace: traced ? trace : undefined,
    });
    post({ type: "ready" });
    // A VM that comes from another kvm can be attached to only when it has come.
    mailbox.waitWhile(Turn.parked);
    if (mailbox.turn !== Turn.go) {
      post({ type: "finished", stats: side.stats() });
      return;
    }
    const vm = attach();
    side.attached?.(vm);
    // A VM that came here from another version of this package has all of its memory.
    if (start.latent) vm.fillPages?.(fillFrom(start.latent, readFile));
    const vcpu = vm.vcpu(start.cpu);
    if (traced) await traceKernelSide(vm, start.trace, trace, loadDisassembler);
    const limit = start.cpuLimit && CpuLimit.from(start.cpuLimit, threadTime?.());
    const left = loop(vcpu, side, mailbox, limit, post, flush);
    flush();
    // In the other kvm the vCPU's counters go on.
    post({ type: "finished", stats: { ...side.stats(), ...(left === "moved" ? {} : vcpu.stats()) } });
    if (left === "quit") vcpu.close();
    vm.close();
  } catch (error) {
    flush();
    post({ type: "failed", ...describeError(error) });
  }
}

/** Until the machine's thread says quit, or the VM has moved to another kvm. */
function loop(
  vcpu: Vcpu,
  side: VcpuSide,
  mailbox: Mailbox,
  limit: CpuLimit | undefined,
  post: VcpuThreadParts["post"],
  flushTrace: () => void,
): "quit" | "moved" {
  for (;;) {
    mailbox.waitWhile(Turn.parked);
    if (mailbox.turn === Turn.quit) return "quit";
    if (mailbox.turn === Turn.moved) return "moved";
    const exit = runHere(vcpu, {}, limit);
    if (exit === "moved") return exit;
    if (exit.reason === "intr") {
      // Each exit is complete: who pauses the machine waits for that.
      if (limit && limit.room <= 0) mailbox.sleepWhile(Turn.go, limit.untilNext);
      continue;
    }
    if (side.answer(exit)) continue;
    if (!isForwarded(exit)) {
      post({ type: "failed", message: whyNotForwarded(exit) });
      mailbox.take(Turn.go, Turn.parked);
      continue;
    }
    mailbox.put(exit);
    mailbox.take(Turn.go, Turn.asked);
    flushTrace();
    post({ type: "ask" });
    mailbox.waitWhile(Turn.asked);
    mailbox.takeAnswer(exit);
    if (mailbox.turn === Turn.park) {
      // The exit must be complete before someone sets this CPU's registers for its next start.
      if (runHere(vcpu, { deadline: 0 }) === "moved") return "moved";
      mailbox.take(Turn.park, Turn.parked);
    }
  }
}

function runHere(vcpu: Vcpu, options: RunOptions, limit?: CpuLimit): Exit | "moved" {
  try {
    return limit ? limit.run(vcpu, options) : vcpu.run(options);
  } catch (error) {
    if (error instanceof Error && (error as { code?: unknown }).code === "ESTALE") return "moved";
    throw error;
  }
}
