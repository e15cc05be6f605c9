/**
 * Every hypercall that the user side answers, on each of its threads: the rows of uapi/hcalls.ts that say so, each with its
 * handler. All others that reach it are H_FUNCTION.
 */
import { hcallTable, type UserHcallName } from "../../../../arch/powerpc/uapi/hcalls.js";
import type { Hcall, MachineContext, MachineHandlers, VcpuContext, VcpuHandlers } from "./hcall.js";
import { processorHcalls } from "./processors.js";
import { rtasHcalls } from "./rtas.js";
import { terminalHcalls } from "./terminal.js";
import { xiveHcalls } from "./xive.js";

// A row without a handler does not compile.
const onVcpu: Required<VcpuHandlers> = terminalHcalls;
const onMachine: Required<MachineHandlers> = { ...processorHcalls, ...rtasHcalls, ...xiveHcalls };

export const vcpuHcalls: ReadonlyMap<number, Hcall<VcpuContext>> = byNumber<VcpuContext, UserHcallName<"vcpu">>(onVcpu);
export const machineHcalls: ReadonlyMap<number, Hcall<MachineContext>> = byNumber<
  MachineContext,
  UserHcallName<"machine">
>(onMachine);

function byNumber<Context, Name extends keyof typeof hcallTable>(
  handlers: Readonly<Record<Name, Hcall<Context>["handler"]>>,
): ReadonlyMap<number, Hcall<Context>> {
  const entries = Object.entries(handlers) as [Name, Hcall<Context>["handler"]][];
  return new Map(entries.map(([name, handler]) => [hcallTable[name].number, { name, handler }]));
}
