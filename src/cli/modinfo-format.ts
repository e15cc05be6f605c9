/** modinfo's output. Source: modinfo(8), kmod's tools/modinfo.c. */

export type Fields = readonly (readonly [field: string, value: string])[];

/** All fields, each after its name, or the values of one. A parameter's type stands with its description. */
export function formatModinfo(
  fields: Fields,
  { field, separator }: { readonly field: string | undefined; readonly separator: string },
): string {
  const types = new Map(fields.filter(([name]) => name === "parmtype").map(([, value]) => splitParameter(value)));
  const shown = fields
    .filter(([name]) => name !== "parmtype" || field === "parmtype")
    .map(([name, value]) => {
      if (name !== "parm") return [name, value] as const;
      const [parameter, text] = splitParameter(value);
      const type = types.get(parameter);
      return [name, `${parameter}:${text}${type === undefined ? "" : ` (${type})`}`] as const;
    });
  return shown
    .filter(([name]) => field === undefined || name === field)
    .map(([name, value]) => (field === undefined ? `${`${name}:`.padEnd(16)}${value}` : value) + separator)
    .join("");
}

/** "name:text". */
function splitParameter(value: string): [name: string, text: string] {
  const at = value.indexOf(":");
  return at < 0 ? [value, ""] : [value.slice(0, at), value.slice(at + 1)];
}
