/** modinfo's fields for unikvm's own modules. */
import { modinfo } from "../modules/modinfo.js";
import type { Fields } from "../modules/modinfo-text.js";
import { normalise } from "../modules/namespace.js";
import { modulePath, ownModules } from "./own-modules.js";

/** The path and the fields of the module that a name or alias stands for; undefined if there is none. */
export function ownModinfo(wanted: string): { readonly path: string; readonly fields: Fields } | undefined {
  const known = ownModules();
  const name = known.resolve(wanted);
  const definition = known.available.find((candidate) => candidate.name === name);
  if (name === undefined || !definition) return undefined;
  const needs = known
    .showDepends(name)
    .filter((other) => other !== name)
    .map(normalise);
  return { path: modulePath(name) ?? name, fields: modinfo(definition, needs) };
}
