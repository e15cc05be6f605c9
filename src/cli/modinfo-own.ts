/** modinfo's fields for unikvm's own modules. */
import { modinfo } from "../modules/modinfo.js";
import { normalise } from "../modules/namespace.js";
import type { Fields } from "./modinfo-format.js";
import { modulePath, ownModules } from "./own-modules.js";

/** Of the module that a name or alias stands for; undefined if there is none. */
export function ownModinfo(wanted: string): Fields | undefined {
  const known = ownModules();
  const name = known.resolve(wanted);
  const definition = known.available.find((candidate) => candidate.name === name);
  if (name === undefined || !definition) return undefined;
  const needs = known
    .showDepends(name)
    .filter((other) => other !== name)
    .map(normalise);
  return [["filename", modulePath(name) ?? name], ...modinfo(definition, needs)];
}
