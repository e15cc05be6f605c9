/** The calls whose arguments are checked, of all by the object that they are made on. */
import { anything, type Signature } from "../../src/base/takes.js";

export function* checked(all: Readonly<Record<string, Readonly<Record<string, Signature>>>>) {
  for (const [on, signatures] of Object.entries(all)) {
    for (const [method, signature] of Object.entries(signatures)) {
      if (Object.values(signature).some((check) => check !== anything)) yield { on, method, signature };
    }
  }
}
