/** How a misuse of x86's interface is written down. */
import type { x86Calls } from "../../../src/arch/x86/calls/calls.js";
import type { CasesFor } from "../neutral-fixture.js";
import type { X86Fixture } from "./fixture.js";

export type X86CasesOf<C extends keyof typeof x86Calls> = CasesFor<X86Fixture, typeof x86Calls, C>;
