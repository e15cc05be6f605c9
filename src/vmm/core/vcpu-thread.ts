/**
 * The loop of a thread that runs one vCPU: run the guest, answer here what can be answered here, ask the machine's thread
 * for the rest, wait when the CPU is stopped.
 */
import type { Exit, SharedVm, Vcpu, Vm } from "../../kvm/uapi.js";
import { describeError } from "../errors.js";
import type { TraceSink, VcpuSide, VcpuSideHost, VcpuThreadMessage, VcpuThreadStart } from "./machine.js";
import { Mailbox, Turn } from "./mailbox.js";
import { type LoadDisassembler, traceKernelSide, traceLine } from "./trace.js";

export interface VcpuThreadParts {
  /** Attaches to the VM: the architecture's module has it. */
  readonly attach: (shared: SharedVm) => Promise<Vm>;
  /** Makes the machine's side from what the machine shares. */
  readonly createSide: (cpu: number, shared: unknown, host: VcpuSideHost) => VcpuSide;
  readonly post: (message: VcpuThreadMessage) => void;
  readonly loadDisassembler?: LoadDisassembler;
}

/** Trace text is sent in pieces of about this many characters. */
const traceChunk = 16384;

/** Runs until the machine's thread says quit. Does not throw: failures are posted. */
export async function runVcpuThread(
  start: VcpuThreadStart,
  { attach, createSide, post, loadDisassembler }: VcpuThreadParts,
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
    const vm = await attach(start.vm);
    const vcpu = vm.vcpu(start.cpu);
    const traced = start.trace.length > 0;
    const side = createSide(start.cpu, start.machine, {
      announceConsole: () => post({ type: "console" }),
      mayWait: true,
      trace: traced ? trace : undefined,
    });
    if (traced) await traceKernelSide(vm, start.trace, trace, loadDisassembler);
    post({ type: "ready" });
    loop(vcpu, side, mailbox, post, flush);
    flush();
    post({ type: "finished", stats: { ...side.stats(), ...vcpu.stats() } });
    vcpu.close();
    vm.close();
  } catch (error) {
    flush();
    post({ type: "failed", ...describeError(error) });
  }
}

function loop(
  vcpu: Vcpu,
  side: VcpuSide,
  mailbox: Mailbox,
  post: VcpuThreadParts["post"],
  flushTrace: () => void,
): void {
  for (;;) {
    mailbox.waitWhile(Turn.parked);
    if (mailbox.turn === Turn.quit) return;
    const exit: Exit = vcpu.run();
    if (exit.reason === "intr") continue;
    if (side.answer(exit)) continue;
    if (!mailbox.putExit(exit)) {
      const why = exit.reason === "internal_error" ? exit.message : `unexpected exit ${exit.reason}`;
      post({ type: "failed", message: why });
      mailbox.take(Turn.go, Turn.parked);
      continue;
    }
    mailbox.take(Turn.go, Turn.asked);
    flushTrace();
    post({ type: "ask" });
    mailbox.waitWhile(Turn.asked);
    mailbox.takeAnswer(exit);
    if (mailbox.turn === Turn.park) {
      // The exit must be complete before someone sets this CPU's registers for its next start.
      vcpu.immediateExit = true;
      vcpu.run();
      vcpu.immediateExit = false;
      mailbox.take(Turn.park, Turn.parked);
    }
  }
}
