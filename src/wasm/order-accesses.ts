/**
 * Another form of a built module, for hosts whose memory is weaker than x86's: what is marked as shared between threads becomes
 * ordered (ordered.ts), by a call of a function that is added for it. Marked are loads and stores of an i64 or a v128 whose
 * alignment is given as `sharedHint`; of single bytes, which can have none, those of an i64 without an offset.
 * Besides, a fence follows each atomic operation that reads and writes, since plain accesses may overtake its store on such
 * hosts; and one stands before and behind what copies and fills, whose order among themselves is nobody's.
 * Source: WebAssembly Core Specification and its Threads proposal, "Binary Format".
 */
import { hasBranchHints, importedFunctions, Reader, sectionReader, sections } from "./binary.js";
import { ByteWriter } from "./bytes.js";
import { FunctionBuilder, valueTypeCode } from "./function-builder.js";
import { bulkNumbers, skipImmediates, skipLocals, skipVectorImmediates } from "./instructions.js";
import { accessOpcodes, atomicOpcodes, Op, Prefix, sharedHint, simdImmediateOpcodes } from "./opcodes.js";
import { emitOrderedLoad, emitOrderedStore, plainLoads, plainStores, type Width } from "./ordered.js";

const Section = { type: 1, function: 3, code: 10 } as const;
const functionType = 0x60;
const fence = [Prefix.atomic, atomicOpcodes.fence, 0] as const;

interface Kind {
  readonly store: boolean;
  readonly size: Width | 16;
}

/** What can be marked, by its opcode; and the same behind the prefix of vectors. */
const kinds = new Map<number, Kind>();
for (const size of [1, 2, 4, 8] as const) {
  kinds.set(accessOpcodes[plainLoads[size]], { store: false, size });
  kinds.set(accessOpcodes[plainStores[size]], { store: true, size });
}
const vectorKinds = new Map<number, Kind>([
  [simdImmediateOpcodes.load, { store: false, size: 16 }],
  [simdImmediateOpcodes.store, { store: true, size: 16 }],
]);

/** The first atomic operation that reads and writes. */
const firstExchange = 0x1e;
const memoryCopy = 10;
const memoryFill = 11;

/** A function that is added: what it does in place of an access. */
interface Added extends Kind {
  readonly index: number;
  readonly offset: number;
}

class Orderer {
  readonly #bytes: Uint8Array;
  /** Functions, imported ones too, and types. */
  readonly #functions: number;
  readonly #types: number;
  readonly #added = new Map<string, Added>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#functions = importedFunctions(bytes) + (sectionReader(bytes, Section.function)?.leb() ?? 0);
    this.#types = sectionReader(bytes, Section.type)?.leb() ?? 0;
  }

  /** The whole module. */
  order(): Uint8Array<ArrayBuffer> {
    const code = this.#code();
    const parts = new ByteWriter(this.#bytes.length + 65536);
    parts.append(this.#bytes.subarray(0, 8));
    for (const section of sections(this.#bytes)) {
      const { id, start, content, end } = section;
      // They name places in the code as it was.
      if (hasBranchHints(this.#bytes, section)) continue;
      if (id === Section.code) this.#section(parts, id, code);
      else if (id === Section.type)
        this.#section(
          parts,
          id,
          this.#moreOf(content, end, (w, one) => this.#type(w, one)),
        );
      else if (id === Section.function) {
        this.#section(
          parts,
          id,
          this.#moreOf(content, end, (w, _, i) => w.u32(this.#types + i)),
        );
      } else parts.append(this.#bytes.subarray(start, end));
    }
    return parts.take();
  }

  #section(to: ByteWriter, id: number, content: Uint8Array): void {
    to.byte(id);
    to.u32(content.length);
    to.append(content);
  }

  /** A section's list with one entry more for each function that is added. */
  #moreOf(content: number, end: number, write: (w: ByteWriter, one: Added, i: number) => void): Uint8Array {
    const reader = new Reader(this.#bytes, content);
    const count = reader.leb();
    const w = new ByteWriter();
    w.u32(count + this.#added.size);
    w.append(this.#bytes.subarray(reader.at, end));
    [...this.#added.values()].forEach((one, i) => write(w, one, i));
    return w.view();
  }

  #type(w: ByteWriter, { store, size }: Added): void {
    const value = valueTypeCode[size === 16 ? "v128" : "i64"];
    w.append([functionType, store ? 2 : 1, valueTypeCode.i32]);
    w.append(store ? [value, 0] : [1, value]);
  }

  /** The code section: every function, and those that are added for them. */
  #code(): Uint8Array {
    const reader = sectionReader(this.#bytes, Section.code);
    const bodies = new ByteWriter(this.#bytes.length + 65536);
    const count = reader?.leb() ?? 0;
    for (let i = 0; reader && i < count; i++) {
      const size = reader.leb();
      const end = reader.at + size;
      const body = this.#body(reader, end);
      bodies.u32(body.length);
      bodies.append(body);
    }
    for (const added of this.#added.values()) {
      const body = this.#instead(added);
      bodies.u32(body.length);
      bodies.append(body);
    }
    const all = new ByteWriter(bodies.length + 5);
    all.u32(count + this.#added.size);
    all.append(bodies.view());
    return all.view();
  }

  /** What does an access in order. */
  #instead({ store, size, offset }: Added): Uint8Array {
    const f = new FunctionBuilder(store ? ["i32", size === 16 ? "v128" : "i64"] : ["i32"]);
    f.get(0);
    if (store) {
      f.get(1);
      emitOrderedStore(f, size, offset);
    } else emitOrderedLoad(f, size, offset);
    return f.finish();
  }

  /** Index of the function for an access. */
  #functionFor(kind: Kind, offset: number): number {
    const key = `${kind.store} ${kind.size} ${offset}`;
    const known = this.#added.get(key);
    const added = known ?? { ...kind, offset, index: this.#functions + this.#added.size };
    this.#added.set(key, added);
    return added.index;
  }

  #body(reader: Reader, end: number): Uint8Array {
    const w = new ByteWriter(end - reader.at + 64);
    // Up to here it has been copied.
    let copied = reader.at;
    const copyTo = (at: number): void => {
      w.append(this.#bytes.subarray(copied, at));
      copied = at;
    };
    skipLocals(reader);
    while (reader.at < end) {
      const start = reader.at;
      const opcode = reader.u8();
      if (opcode === Prefix.atomic) {
        const which = reader.leb();
        if (which === atomicOpcodes.fence) reader.u8();
        else {
          reader.leb();
          reader.leb();
          if (which >= firstExchange) {
            copyTo(reader.at);
            w.append(fence);
          }
        }
        continue;
      }
      if (opcode === Prefix.saturating) {
        const which = reader.leb();
        for (let n = bulkNumbers[which] ?? 0; n > 0; n--) reader.leb();
        if (which === memoryCopy || which === memoryFill) {
          copyTo(start);
          w.append(fence);
          copyTo(reader.at);
          w.append(fence);
        }
        continue;
      }
      const vector = opcode === Prefix.simd;
      const which = vector ? reader.leb() : opcode;
      const kind = (vector ? vectorKinds : kinds).get(which);
      if (kind) {
        const hint = reader.leb();
        const offset = reader.leb() >>> 0;
        if (kind.size === 1 ? offset !== 0 : hint !== sharedHint) continue;
        copyTo(start);
        copied = reader.at;
        w.byte(Op.call);
        w.u32(this.#functionFor(kind, offset));
        continue;
      }
      if (vector) skipVectorImmediates(reader, which);
      else skipImmediates(reader, opcode);
    }
    copyTo(end);
    return w.view();
  }
}

/** The module with what is marked ordered. */
export const orderAccesses = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Orderer(bytes).order();
