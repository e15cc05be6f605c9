/**
 * Engine cases as text: some code, the machine before, the machine after. One file tells of one matter.
 *
 *   # a comment
 *   case DSCR is a facility in problem state
 *   state problem
 *     mtspr 3, r3
 *   given fscr = 0
 *   expect interrupt = 0xf60, fscr = 0x0200000000000000
 *
 * Code is indented or begins with a label, in the assembler's language, and stands at 0x10000; it ends by falling off its end, or by an
 * interrupt. `state` takes any of: problem, 32-bit, little-endian, big-endian (one byte order only; both otherwise),
 * v3.1 (a processor of that version; otherwise v3.0),
 * virtual (MSR[IR] and [DR]: no page is mapped but that of the code, 64 KiB, to itself, and 0x20000, for data).
 * Left of an = stands a register of the state's layout, r0 to r31, cr0 to cr7, f0 to f31, vs0 to vs63 (128 bits), a piece of storage
 * ([0x20000:8], address and bytes, as the current byte order reads it), or in `expect` interrupt: its vector, or 0 for none.
 * Without `interrupt` in `expect`, none must happen. A value is a number or the sum of numbers.
 */
export interface EngineCase {
  readonly name: string;
  readonly line: number;
  readonly code: string;
  readonly state: ReadonlySet<string>;
  readonly given: readonly Setting[];
  readonly expect: readonly Setting[];
}

export interface Setting {
  readonly place: string;
  readonly value: bigint;
}

const states = new Set(["problem", "32-bit", "little-endian", "big-endian", "virtual", "v3.1"]);

function value(text: string): bigint {
  return text
    .split("+")
    .map((part) => part.trim())
    .map((part) => (part.startsWith("-") ? -BigInt(part.slice(1)) : BigInt(part)))
    .reduce((a, b) => a + b);
}

/** Throws an Error that names the line if the text is not in the language above. */
export function parseCases(text: string): EngineCase[] {
  interface Draft {
    name: string;
    line: number;
    code: string[];
    state: Set<string>;
    given: Setting[];
    expect: Setting[];
  }
  const cases: Draft[] = [];
  for (const [i, full] of text.split("\n").entries()) {
    const fail = (why: string): never => {
      throw new Error(`line ${i + 1}: ${why}: "${full.trim()}"`);
    };
    const line = full.replace(/(^|\s)#.*$/, "").trimEnd();
    if (line === "") continue;
    const [, keyword, rest] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? ["", line.trim(), ""];
    if (!/^\s/.test(line) && keyword === "case") {
      cases.push({ name: rest as string, line: i + 1, code: [], state: new Set(), given: [], expect: [] });
      continue;
    }
    const current = cases.at(-1) ?? fail("a file begins with a case");
    if (/^(\s|\w+:)/.test(line)) {
      current.code.push(line);
      continue;
    }
    if (keyword === "state") {
      for (const word of (rest as string).split(/\s+/)) {
        if (!states.has(word)) fail(`there is no state ${word}`);
        current.state.add(word);
      }
    } else if (keyword === "given" || keyword === "expect") {
      for (const item of (rest as string).split(",")) {
        const [place, text] = item.split("=").map((part) => part.trim());
        if (!place || !text) fail("expected place = value");
        try {
          current[keyword].push({ place: place as string, value: value(text as string) });
        } catch {
          fail(`${text} is not a number`);
        }
      }
    } else fail("expected case, state, given, expect or indented code");
  }
  return cases.map((c) => ({ ...c, code: c.code.join("\n") }));
}
