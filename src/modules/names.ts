/** How modules, their files and their aliases are named. Source: modprobe(8), depmod(8), libkmod. */

export const moduleEndings = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"] as const;

/** Whether a file's name is that of a module. */
export const isModuleFileName = (name: string): boolean =>
  moduleEndings.some((ending) => name.length > ending.length && name.endsWith(ending));

/** A module's name from a path or a file's name: up to the first point, with underscores. */
export function moduleNameOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const point = name.indexOf(".");
  return (point < 0 ? name : name.slice(0, point)).replaceAll("-", "_");
}

/**
 * An alias as the indexes hold it: with underscores, but for what stands between brackets. undefined: a bracket lacks
 * its other half.
 */
export function normaliseAlias(alias: string): string | undefined {
  let normal = "";
  for (let at = 0; at < alias.length; at++) {
    const char = alias[at];
    if (char === "]") return undefined;
    if (char === "[") {
      const end = alias.indexOf("]", at);
      if (end < 0) return undefined;
      normal += alias.slice(at, end + 1);
      at = end;
    } else {
      normal += char === "-" ? "_" : char;
    }
  }
  return normal;
}
