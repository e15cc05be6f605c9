/** How a misuse is written down: one for each errno of each call; the compiler finds what is missing. */
import type { powerpcCalls } from "../../src/arch/powerpc/calls/calls.js";
import type { Fixture } from "./fixture.js";

type Calls = typeof powerpcCalls;

/** Does what the call answers with the errno. */
export type Misuse = (it: Fixture) => unknown;
export type CasesOf<C extends keyof Calls> = {
  readonly [K in C]: { readonly [E in keyof Calls[K]["errors"]]: Misuse };
};
