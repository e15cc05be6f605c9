/** Events of translation as the trace has them. */

import { Access, MmuEvent, Right } from "../../../engine/layout.js";
import type { EngineEvents } from "../../../kvm/engine.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { Cause, Untranslated } from "../mmu/causes.js";

type Values = Record<string, string | number>;
const accesses = Object.fromEntries(Object.entries(Access).map(([name, number]) => [number, name]));
const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

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
      if (d === Untranslated.segment) return ["fault", { ea: hex(a), access, cause: "segment" }];
      if (d === Untranslated.exit) return ["fault", { ea: hex(a), access, cause: "no such MMU" }];
      const names = causeList.filter((name) => d & Cause[name]).map((name) => causeNames[name]);
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

/** What the trace calls the causes. */
const causeNames = {
  noTranslation: "no translation",
  noExecute: "no execute",
  protection: "protection",
  reservation: "reservation",
  store: "store",
  watch: "watch",
  key: "key",
  badConfiguration: "bad tables",
} as const satisfies Record<keyof typeof Cause, string>;

const causeList = Object.keys(Cause) as (keyof typeof Cause)[];

export function emitMmuEvent(vcpu: VcpuInside, ...[kind, a, b, c, d]: Parameters<EngineEvents>): void {
  const event = describe(kind, a, b, c, d);
  if (event) vcpu.vm.trace.emit("mmu", vcpu.id, ...event);
}
