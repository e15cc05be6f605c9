/** What goes by a vCPU's Processor Version Register: the version of the architecture whose instructions it has. */
import type { VcpuInside } from "../../../kvm/inside.js";
import { decodeRoot, Request } from "../engines/layout.js";
import type { IsaLevel } from "../isa/levels.js";
import { getField, request, setField } from "./vcpu.js";

/** Versions by PVR's upper half, the processor's type: POWER8E, POWER8NVL, POWER8; Power10, Power11. All others: v3.0. */
const levels: ReadonlyMap<bigint, IsaLevel> = new Map<bigint, IsaLevel>([
  [0x4bn, "2.07"],
  [0x4cn, "2.07"],
  [0x4dn, "2.07"],
  [0x80n, "3.1"],
  [0x82n, "3.1"],
]);

/** PVR was written: decodes by it from now on. */
export function processorChanged(vcpu: VcpuInside): void {
  const level = levels.get(getField(vcpu, "pvr") >> 16n) ?? "3.0";
  setField(vcpu, "smallDecrementer", level === "2.07" ? 1n : 0n);
  const root = BigInt(decodeRoot(level));
  if (getField(vcpu, "decodeRoot") === root) return;
  setField(vcpu, "decodeRoot", root);
  request(vcpu, Request.flushCode);
}
