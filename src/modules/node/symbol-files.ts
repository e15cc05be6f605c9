/** The files that say what the kernel itself exports, and what its built-in modules say of themselves. */
import { join } from "node:path";
import { readRegularText } from "../../base/node/regular-file.js";
import { errorText, type Messages } from "./messages.js";

/** Module.symvers: checksum, symbol, where, kind. Throws as readRegular. */
export function readSymvers(file: string, messages: Messages): Map<string, number | undefined> {
  const symbols = new Map<string, number | undefined>();
  for (const [index, line] of readRegularText(file).split("\n").entries()) {
    const [version, symbol, where] = line.split(/[ \t]+/);
    if (version === undefined || symbol === undefined || where !== "vmlinux") continue;
    if (/^(0x)?[0-9a-f]+$/i.test(version)) symbols.set(symbol, Number.parseInt(version, 16));
    else messages.error(`${file}:${index + 1} Invalid symbol version ${version}`);
  }
  return symbols;
}

/** System.map: address, kind, symbol; what is exported has a `__ksymtab_`. Throws as readRegular. */
export function readSystemMap(file: string, prefix: string, messages: Messages): Map<string, number | undefined> {
  const symbols = new Map<string, number | undefined>();
  for (const [index, line] of readRegularText(file).split("\n").entries()) {
    if (line === "") continue;
    const [, , name] = line.split(" ");
    if (name === undefined) {
      messages.error(`${file}:${index + 1}: invalid line: ${line}`);
      continue;
    }
    const plain = prefix !== "" && name.startsWith(prefix) ? name.slice(prefix.length) : name;
    if (plain.startsWith("__ksymtab_")) symbols.set(plain.slice("__ksymtab_".length), undefined);
  }
  return symbols;
}

export interface BuiltinField {
  readonly module: string;
  readonly key: string;
  readonly value: string;
}

/** modules.builtin.modinfo: `module.key=value`, each ended by a zero. undefined, with a warning: there is none. */
export function builtinInfo(folder: string, messages: Messages): BuiltinField[] | undefined {
  let text: string;
  try {
    text = readRegularText(join(folder, "modules.builtin.modinfo"));
  } catch (error) {
    messages.warning(`could not open modules.builtin.modinfo at ${folder}: ${errorText(error)}`);
    return undefined;
  }
  return text.split("\0").flatMap((field) => {
    const match = /^([^.]+)\.([^=]+)=([\s\S]*)$/.exec(field);
    return match ? [{ module: match[1] ?? "", key: match[2] ?? "", value: match[3] ?? "" }] : [];
  });
}
