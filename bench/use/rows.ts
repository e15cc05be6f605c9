/** The rows of `npm run bench:use`, in their order. */
import { execFromShell, execTrue } from "./exec.js";
import { forkOne } from "./fork.js";
import type { Row } from "./row.js";

export const rows: readonly Row[] = [execTrue, execFromShell, forkOne];
