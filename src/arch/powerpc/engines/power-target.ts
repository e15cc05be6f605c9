/** What both engines are told of POWER. */
import type { EngineTarget, Mode } from "../../../engine/target.js";
import { codePage, state, tlb, vcpuLayout } from "./layout.js";
import { routines } from "./power-recorder.js";

export function isMode64(mode: number): boolean {
  return (mode & 2) !== 0;
}

export function isLittleEndian(mode: number): boolean {
  return (mode & 1) !== 0;
}

/** By number: bit 0 MSR[LE], bit 1 MSR[SF]. */
const modes: readonly Mode[] = [0, 1, 2, 3].map((mode) =>
  isMode64(mode)
    ? { addressMask: undefined, targetMask: -4n, translated: true }
    : { addressMask: 0xffffffffn, targetMask: 0xfffffffcn, translated: false },
);

export const powerTarget = {
  layout: { state, tlb, codePage, vcpu: vcpuLayout },
  routines,
  modes,
} as const satisfies EngineTarget;
