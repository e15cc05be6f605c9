/** Every misuse of x86's interface, by call and errno: complete, or it does not compile. */
import type { X86Call } from "../../../src/arch/x86/calls/calls.js";
import { neutralCases } from "../neutral-cases.js";
import type { X86CasesOf } from "./cases.js";
import { vcpuCases } from "./vcpu-cases.js";
import { vmCases } from "./vm-cases.js";

/** With the file that holds them; the first that has a call is the one whose cases count. */
export const caseFiles = [
  ["test/api/x86/vm-cases.ts", vmCases],
  ["test/api/x86/vcpu-cases.ts", vcpuCases],
  ["test/api/neutral-cases.ts", neutralCases],
] as const;

export const cases: X86CasesOf<X86Call> = { ...neutralCases, ...vmCases, ...vcpuCases };
