/** How a misuse of POWER's interface is written down. */
import type { powerpcCalls } from "../../src/arch/powerpc/calls/calls.js";
import type { Fixture } from "./fixture.js";
import type { CasesFor } from "./neutral-fixture.js";

export type CasesOf<C extends keyof typeof powerpcCalls> = CasesFor<Fixture, typeof powerpcCalls, C>;
