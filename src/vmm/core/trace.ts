/** Turns the kernel side's trace events into lines. */
import type { TraceCategory, TraceEvent, Vm } from "../../kvm/uapi.js";
import { VmmError } from "../errors.js";
import type { TraceSink } from "./machine.js";

/** What `--trace` may list. "insn" steps through every instruction and is very slow. */
export const traceCategories = [
  "exit",
  "hcall",
  "rtas",
  "interrupt",
  "mmu",
  "insn",
] as const satisfies readonly TraceCategory[];

/** An instruction word at an address as text, with the word behind it if it is a prefix. */
export type Disassemble = (word: number, address: bigint, suffix?: number) => string;

/** How a traced run gets it; instruction sets are large, and most runs need none. */
export type LoadDisassembler = () => Promise<Disassemble>;

/** Checks names that a user gave. Throws VmmError listing the names there are. */
export function parseTraceCategories(names: readonly string[]): readonly TraceCategory[] {
  return names.map((name) => {
    const known = traceCategories.find((category) => category === name);
    if (!known) throw new VmmError(`there is no trace category "${name}"; there are ${traceCategories.join(", ")}`);
    return known;
  });
}

/** A whole line, with time and CPU. */
export function traceLine(category: string, cpu: number, text: string): string {
  const time = (performance.timeOrigin + performance.now()).toFixed(3);
  return `${time} ${cpu < 0 ? "vm" : `cpu${cpu}`} ${category} ${text}\n`;
}

/** Has the kernel side report on this thread. */
export async function traceKernelSide(
  vm: Pick<Vm, "setTrace">,
  categories: readonly TraceCategory[],
  sink: TraceSink,
  loadDisassembler?: LoadDisassembler,
): Promise<void> {
  const disassemble = categories.includes("insn") ? await loadDisassembler?.() : undefined;
  vm.setTrace({
    categories,
    sink: (event) => {
      const text = event.category === "insn" ? describeInstruction(event, disassemble) : describeEvent(event);
      sink(event.category, event.vcpu, text);
    },
  });
}

const describeEvent = ({ name, values }: TraceEvent): string => [name, ...describeValues(values)].join(" ");

const describeValues = (values: TraceEvent["values"]): string[] =>
  Object.entries(values).map(([key, value]) => `${key}=${formatValue(value)}`);

const instructionWidth = 28;

/** Address, word, text, and what changed. */
function describeInstruction({ values }: TraceEvent, disassemble: Disassemble | undefined): string {
  const { pc, word, suffix, ...changed } = values;
  const address = BigInt(pc ?? 0);
  const bits = Number(word ?? 0);
  const second = suffix === undefined ? undefined : Number(suffix);
  const text = disassemble?.(bits, address, second) ?? "";
  const shown = [bits, ...(second === undefined ? [] : [second])].map((one) =>
    (one >>> 0).toString(16).padStart(8, "0"),
  );
  const begin = [address.toString(16).padStart(16, "0"), ...shown].join(" ");
  return `${begin} ${text.padEnd(instructionWidth)} ${describeValues(changed).join(" ")}`.trimEnd();
}

function formatValue(value: bigint | number | string): string {
  if (typeof value === "string") return value;
  return `0x${(typeof value === "bigint" ? BigInt.asUintN(64, value) : value >>> 0).toString(16)}`;
}
