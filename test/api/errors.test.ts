/** Each call of a POWER VM answers misuse as its row says, on each implementation. */
import { powerpcCalls } from "../../src/arch/powerpc/calls/calls.js";
import { cases } from "./all-cases.js";
import { errorTests } from "./error-tests.js";
import { Fixture, implementations } from "./fixture.js";

for (const name of implementations) errorTests(name, powerpcCalls, cases, () => new Fixture(name));
