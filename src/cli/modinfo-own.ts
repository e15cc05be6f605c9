/** modinfo's fields for unikvm's own modules. */
import { modinfo } from "../modules/modinfo.js";
import { builtinHead, type Fields } from "../modules/modinfo-text.js";
import { normalise } from "../modules/namespace.js";
import { modulePath, ownModules, ownTree } from "./own-modules.js";

/** What stands first, and the fields of the module that a name or alias stands for; undefined if there is none. */
export function ownModinfo(wanted: string): { readonly head: Fields; readonly fields: Fields } | undefined {
  const known = ownModules();
  const name = known.resolve(wanted);
  const definition = known.available.find((candidate) => candidate.name === name);
  if (name === undefined || !definition) return undefined;
  if (known.isBuiltin(name))
    return { head: builtinHead(normalise(name)), fields: ownTree().builtinInfo(normalise(name)) ?? [] };
  const needs = known
    .showDepends(name)
    .filter((other) => other !== name)
    .map(normalise);
  return { head: [["filename", modulePath(name) ?? name]], fields: modinfo(definition, needs) };
}
