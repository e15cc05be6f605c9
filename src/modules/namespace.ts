/** Who may import from a symbol namespace. Source: kernel/module/main.c, Documentation/core-api/symbol-namespaces.rst. */

const modulePrefix = "module:";

/** Dashes and underscores are the same in module names. */
export const normalise = (name: string): string => name.replaceAll("-", "_");

/** Whether a namespace names the modules that may import from it, rather than being a name that importers declare. */
export const namesModules = (namespace: string): boolean => namespace.startsWith(modulePrefix);

/** Whether `importer` may use symbols of the namespace, given those that it declares to import. */
export function mayImport(namespace: string | undefined, importer: string, declared: readonly string[]): boolean {
  if (!namespace) return true;
  if (!namesModules(namespace)) return declared.includes(namespace);
  const name = normalise(importer);
  return namespace
    .slice(modulePrefix.length)
    .split(",")
    .map(normalise)
    .some((entry) => (entry.endsWith("*") ? name.startsWith(entry.slice(0, -1)) : entry === name));
}
