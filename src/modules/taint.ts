/** What taints the kernel, in the kernel's letters. Source: Documentation/admin-guide/tainted-kernels.rst. */

/** All flags the kernel has, each at its bit; here only P, F, R and O occur. */
const letters = "PFSRMBUDAWCIOELKXTN";

/** A proprietary module, a module that was forced in, one that was forced out, one from out of the tree. */
export type Taint = "P" | "F" | "R" | "O";

/** As /proc/sys/kernel/tainted. */
export const taintMask = (taints: ReadonlySet<Taint>): number =>
  [...taints].reduce((mask, letter) => mask | (1 << letters.indexOf(letter)), 0);

/** As an oops has it: a letter or a blank for each flag, G where no module is proprietary. */
export function formatTainted(taints: ReadonlySet<Taint>): string {
  if (taints.size === 0) return "Not tainted";
  const row = [...letters].map((letter) => (taints.has(letter as Taint) ? letter : letter === "P" ? "G" : " "));
  return `Tainted: ${row.join("")}`;
}

/** As "Modules linked in:" has it after a module's name: "(PO)", or nothing. R is the kernel's, not a module's. */
export function formatModuleTaints(taints: ReadonlySet<Taint>): string {
  const present = [...letters].filter((letter) => letter !== "R" && taints.has(letter as Taint));
  return present.length > 0 ? `(${present.join("")})` : "";
}
