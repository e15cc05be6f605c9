/** Events of translation as the trace has them. The kinds are those of mmu/events.as.ts. */
import type { EngineEvents } from "../../../kvm/engine.js";
import type { VcpuInside } from "../../../kvm/inside.js";

type Values = Record<string, string | number>;
const accesses = ["load", "store", "fetch"] as const;
const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** Results of translate() that are no bits of DSISR. */
const causeSegment = 1;
const causeExit = 2;

function describe(kind: number, a: bigint, b: bigint, c: number, d: number): [string, Values] | undefined {
  const access = accesses[c] ?? "?";
  switch (kind) {
    case 0: {
      const rights = [4, 2, 1].map((bit, i) => (rightsBits(d) & bit ? "rwx"[i] : "-")).join("");
      return ["refill", { ea: hex(a), physical: hex(b), access, page: pageName(d >>> 8), rights }];
    }
    case 1: {
      if (d === causeSegment) return ["fault", { ea: hex(a), access, cause: "segment" }];
      if (d === causeExit) return ["fault", { ea: hex(a), access, cause: "no such MMU" }];
      const names = causes.filter(([bit]) => d & bit).map(([, name]) => name);
      return ["fault", { ea: hex(a), access, cause: names.join("+"), [access === "fetch" ? "srr1" : "dsisr"]: d }];
    }
    case 2:
      return [d ? "tlbie" : "tlbiel", { rb: hex(a), rs: hex(b), ric: c & 3, prs: (c >> 2) & 1, r: (c >> 3) & 1 }];
    case 3:
      return ["flush", { what: c ? "all" : "pages" }];
    default:
      return undefined;
  }
}

/** RIGHT_READ 1, RIGHT_WRITE 2, RIGHT_EXECUTE 4 as r, w, x from the left. */
const rightsBits = (d: number): number => ((d & 1) << 2) | (d & 2) | ((d >> 2) & 1);
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
