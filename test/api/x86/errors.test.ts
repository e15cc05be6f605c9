/** Each call of an x86 VM answers misuse as its row says, on each implementation. */
import { x86Calls } from "../../../src/arch/x86/calls/calls.js";
import { errorTests } from "../error-tests.js";
import { cases } from "./all-cases.js";
import { implementations, X86Fixture } from "./fixture.js";

for (const name of implementations) errorTests(`x86 ${name}`, x86Calls, cases, () => new X86Fixture(name));
