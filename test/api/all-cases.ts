/** Every misuse, by call and errno: complete, or it does not compile. */
import type { PowerpcCall } from "../../src/arch/powerpc/calls/calls.js";
import { book3sCases } from "./book3s-cases.js";
import type { CasesOf } from "./cases.js";
import { hptCases } from "./hpt-cases.js";
import { neutralCases } from "./neutral-cases.js";
import { vcpuCases } from "./vcpu-cases.js";
import { vmCases } from "./vm-cases.js";

/** With the file that holds them. */
export const caseFiles = [
  ["test/api/neutral-cases.ts", neutralCases],
  ["test/api/vm-cases.ts", vmCases],
  ["test/api/vcpu-cases.ts", vcpuCases],
  ["test/api/book3s-cases.ts", book3sCases],
  ["test/api/hpt-cases.ts", hptCases],
] as const;

export const cases: CasesOf<PowerpcCall> = { ...neutralCases, ...vmCases, ...vcpuCases, ...book3sCases, ...hptCases };
