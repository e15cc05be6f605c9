/** The implementations that are configured in; Linux has one of each vendor's, this two. */
import type { ImplementationRow } from "../../../engine/implementation.js";
import { hv } from "../engines/hv.js";
import { pr } from "../engines/pr.js";

/** `unikvm build` leaves nothing of what is configured out. */
const all: readonly (ImplementationRow | undefined)[] = [hv, pr];

/** In order of initialisation and of preference. */
export const rows: readonly ImplementationRow[] = all.filter((row) => row !== undefined);
