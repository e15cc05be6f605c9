/** Which licences are compatible with the GPL, and so may use what is exported to GPL-compatible modules only. */

/** MODULE_LICENSE's idents. Source: include/linux/license.h. */
const kernelIdents: ReadonlySet<string> = new Set([
  "GPL",
  "GPL v2",
  "GPL and additional rights",
  "Dual BSD/GPL",
  "Dual MIT/GPL",
  "Dual MPL/GPL",
]);

/** npm packages name licences by SPDX identifier; of those that are common there, these are compatible with GPL 2. */
const spdxIdents: ReadonlySet<string> = new Set([
  "0BSD",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "GPL-2.0-only",
  "GPL-2.0-or-later",
  "ISC",
  "LGPL-2.1-only",
  "LGPL-2.1-or-later",
  "MIT",
  "MPL-2.0",
  "Unlicense",
  "Zlib",
]);

/** Of an SPDX expression, one alternative must be compatible; brackets, AND and WITH are not looked into. */
export function gplCompatible(licence: string): boolean {
  if (kernelIdents.has(licence)) return true;
  return licence
    .replace(/^\((.*)\)$/, "$1")
    .split(" OR ")
    .some((ident) => spdxIdents.has(ident.trim()));
}
