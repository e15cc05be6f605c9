/** The implementations that are configured in. */
import { hv } from "./engines/hv/implementation.js";
import { pr } from "./engines/pr/implementation.js";
import type { ImplementationRow } from "./engines/shared/implementation.js";

export type { ImplementationName, ImplementationRow } from "./engines/shared/implementation.js";

/** `unikvm build` leaves nothing of what is configured out. */
const all: readonly (ImplementationRow | undefined)[] = [hv, pr];

/** In order of initialisation and of preference. */
export const rows: readonly ImplementationRow[] = all.filter((row) => row !== undefined);
