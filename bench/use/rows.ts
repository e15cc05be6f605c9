/** The rows of `npm run bench:use`, in their order. */
import { execFromShell, execTrue } from "./exec.js";
import { forkOne, forkStop } from "./fork.js";
import type { Row } from "./row.js";
import { createFromSnapshot, snapshotSize } from "./snapshot.js";
import { filesIn, filesOut, stdout, treeIn, treeOut } from "./trees.js";

export const rows: readonly Row[] = [
  ...[execTrue, createFromSnapshot, execFromShell, forkOne, forkStop, snapshotSize],
  ...[stdout, treeIn, treeOut, filesIn, filesOut],
];
