/** Events of translation as the trace has them. */
import { Access, MmuEvent, Right } from "../../../engine/layout.js";
import type { EngineEvents } from "../../../kvm/engine.js";
import type { VcpuInside } from "../../../kvm/inside.js";

type Values = Record<string, string | number>;
const accesses = Object.fromEntries(Object.entries(Access).map(([name, number]) => [number, name]));
const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** Results of translate() that are no bits of DSISR. */
const causeSegment = 1;
const causeExit = 2;

function describe(kind: number, a: bigint, b: bigint, c: number, d: number): [string, Values] | undefined {
  const access = accesses[c] ?? "?";
  switch (kind) {
    case MmuEvent.refill: {
      const rights = Object.values(Right)
        .map((bit, i) => (d & bit ? "rwx"[i] : "-"))
        .join("");
      return ["refill", { ea: hex(a), physical: hex(b), access, page: pageName(d >>> 8), rights }];
    }
    case MmuEvent.fault: {
      if (d === causeSegment) return ["fault", { ea: hex(a), access, cause: "segment" }];
      if (d === causeExit) return ["fault", { ea: hex(a), access, cause: "no such MMU" }];
      const names = causes.filter(([bit]) => d & bit).map(([, name]) => name);
      return ["fault", { ea: hex(a), access, cause: names.join("+"), [access === "fetch" ? "srr1" : "dsisr"]: d }];
    }
    case MmuEvent.invalidate:
      return [d ? "tlbie" : "tlbiel", { rb: hex(a), rs: hex(b), ric: c & 3, prs: (c >> 2) & 1, r: (c >> 3) & 1 }];
    case MmuEvent.flush:
      return ["flush", { what: c ? "all" : "pages" }];
    default:
      return undefined;
  }
}

const pageName = (shift: number): string =>
  shift >= 30 ? `${1 << (shift - 30)}G` : shift >= 20 ? `${1 << (shift - 20)}M` : `${1 << (shift - 10)}K`;

/** Bits at the same place in DSISR and SRR1. Source: Power ISA v3.0B, Book III "Data Storage Interrupt". */
const causes = [
  [0x40000000, "no translation"],
  [0x10000000, "no execute"],
  [0x08000000, "protection"],
  [0x04000000, "reservation"],
  [0x02000000, "store"],
  [0x00080000, "bad tables"],
] as const;

export function emitMmuEvent(vcpu: VcpuInside, ...[kind, a, b, c, d]: Parameters<EngineEvents>): void {
  const event = describe(kind, a, b, c, d);
  if (event) vcpu.vm.trace.emit("mmu", vcpu.id, ...event);
}
