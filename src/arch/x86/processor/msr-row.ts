/** A model-specific register that the kernel side answers for. */
import type { VcpuInside } from "../../../kvm/inside.js";

export interface MsrRow {
  readonly number: number;
  /** Undefined: it cannot be read. */
  read(vcpu: VcpuInside): bigint | undefined;
  /** False: it does not take the value. */
  write(vcpu: VcpuInside, value: bigint): boolean;
}
