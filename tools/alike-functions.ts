/**
 * The same module with functions that are alike near each other. Who serves it compresses it with deflate, which finds again only what
 * stands in the 32 KiB before; an interpreter's thousands of handlers are variations of few.
 */
import {
  branchHints,
  hasBranchHints,
  importedFunctions,
  Kind,
  Reader,
  sectionReader,
  sections,
} from "../src/wasm/binary.js";
import { ByteWriter } from "../src/wasm/bytes.js";
import { skipInstruction, skipLocals } from "../src/wasm/instructions.js";
import { Op } from "../src/wasm/opcodes.js";

const Section = { custom: 0, function: 3, export: 7, start: 8, element: 9, code: 10 } as const;
const returnCall = 0x12;
const functionReference = 0xd2;

/** Bytes that deflate looks back for, without what matches themselves are away from each other. */
const window = 30_000;
/** Bytes that are compared; what more functions than that have stands everywhere, and says nothing. */
const pieceLength = 6;
const mostOwners = 400;
/** Pieces by which a short function counts as less alike than it is: it says little of what comes next. */
const doubt = 20;

/** An order in which each body is the one that has most in common with those right before it; the longest comes first. */
export function alikeOrder(bodies: readonly Uint8Array[]): number[] {
  const numbers = new Map<string, number>();
  const pieces = bodies.map((body) => {
    const text = Buffer.from(body).toString("latin1");
    const own = new Set<number>();
    for (let at = 0; at === 0 || at + pieceLength <= text.length; at++) {
      const piece = text.slice(at, at + pieceLength);
      const number = numbers.get(piece) ?? numbers.size;
      numbers.set(piece, number);
      own.add(number);
    }
    return own;
  });
  const owners = Array.from({ length: numbers.size }, (): number[] => []);
  for (const [body, own] of pieces.entries()) for (const piece of own) owners[piece]?.push(body);
  for (const [piece, those] of owners.entries()) if (those.length > mostOwners) owners[piece] = [];
  const telling = pieces.map((own) => [...own].filter((piece) => owners[piece]?.length));

  /** How often each piece stands in the window, and how many of each body's do. */
  const inWindow = new Int32Array(numbers.size);
  const known = new Int32Array(bodies.length);
  const count = (body: number, by: 1 | -1): void => {
    for (const piece of telling[body] ?? []) {
      const now = (inWindow[piece] ?? 0) + by;
      inWindow[piece] = now;
      if (now !== (by > 0 ? 1 : 0)) continue;
      for (const owner of owners[piece] ?? []) known[owner] = (known[owner] ?? 0) + by;
    }
  };
  const lengthOf = (body: number): number => bodies[body]?.length ?? 0;
  const left = new Set(bodies.keys());
  const order: number[] = [];
  let [first, inside] = [0, 0];
  let next = [...left].reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a), 0);
  while (left.delete(next)) {
    order.push(next);
    count(next, 1);
    inside += lengthOf(next);
    for (; inside > window && first < order.length - 1; first++) {
      const gone = order[first] as number;
      count(gone, -1);
      inside -= lengthOf(gone);
    }
    let best = -1;
    for (const body of left) {
      const alike = (known[body] ?? 0) / ((telling[body]?.length ?? 0) + doubt);
      if (alike > best) [best, next] = [alike, body];
    }
  }
  return order;
}

/** Throws: it has a section that names functions and is not known here, or hints of a body whose length would change. */
export function alikeTogether(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const imported = importedFunctions(bytes);
  const bodies = bodiesOf(bytes, sectionReader(bytes, Section.code));
  const order = alikeOrder(bodies);
  const indexes = new Map(order.map((old, now) => [imported + old, imported + now]));
  const indexOf = (old: number): number => indexes.get(old) ?? old;

  const inOrder = order.map((old) => bodies[old] as Uint8Array);
  const renamed = inOrder.map((body) => withCalls(body, indexOf));
  const out = new ByteWriter(bytes.length);
  out.append(bytes.subarray(0, 8));
  const put = (id: number, content: Uint8Array): void => {
    out.byte(id);
    out.u32(content.length);
    out.append(content);
  };
  for (const section of sections(bytes)) {
    const { id, start, content, end } = section;
    const reader = new Reader(bytes, content);
    if (id === Section.function) put(id, types(reader, order));
    else if (id === Section.export) put(id, exports(reader, indexOf));
    else if (id === Section.element) put(id, elements(reader, indexOf));
    else if (id === Section.code) put(id, code(renamed));
    else if (hasBranchHints(bytes, section)) {
      if (inOrder.some(({ length }, i) => length !== renamed[i]?.length))
        throw new Error("hints of bodies whose lengths change");
      put(id, hints(reader, indexOf));
    } else if (id === Section.start || id === Section.custom)
      throw new Error(`section ${id} may name functions, which get other numbers`);
    else out.append(bytes.subarray(start, end));
  }
  return out.take();
}

function bodiesOf(bytes: Uint8Array, reader: Reader | undefined): Uint8Array[] {
  return Array.from({ length: reader?.leb() ?? 0 }, () => {
    const length = reader?.leb() ?? 0;
    const at = reader?.at ?? 0;
    if (reader) reader.at += length;
    return bytes.subarray(at, at + length);
  });
}

function types(reader: Reader, order: readonly number[]): Uint8Array {
  const all = Array.from({ length: reader.leb() }, () => reader.leb());
  const w = new ByteWriter();
  w.u32(all.length);
  for (const old of order) w.u32(all[old] as number);
  return w.take();
}

function exports(reader: Reader, indexOf: (old: number) => number): Uint8Array {
  const w = new ByteWriter();
  const count = reader.leb();
  w.u32(count);
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    reader.skipName();
    const kind = reader.u8();
    w.append(reader.bytes.subarray(start, reader.at));
    const index = reader.leb();
    w.u32(kind === Kind.function ? indexOf(index) : index);
  }
  return w.take();
}

function elements(reader: Reader, indexOf: (old: number) => number): Uint8Array {
  const w = new ByteWriter();
  const count = reader.leb();
  w.u32(count);
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    const flags = reader.leb();
    if (flags !== 0 && flags !== 2) throw new Error(`elements of kind ${flags} are not known`);
    if (flags === 2) reader.leb();
    for (let opcode = reader.u8(); opcode !== Op.end; opcode = reader.u8()) skipInstruction(reader, opcode);
    if (flags === 2) reader.u8();
    w.append(reader.bytes.subarray(start, reader.at));
    const functions = reader.leb();
    w.u32(functions);
    for (let n = 0; n < functions; n++) w.u32(indexOf(reader.leb()));
  }
  return w.take();
}

/** A body whose calls and references are of functions with other numbers. */
function withCalls(body: Uint8Array, indexOf: (old: number) => number): Uint8Array {
  const w = new ByteWriter(body.length);
  const reader = new Reader(body, 0);
  let copied = 0;
  skipLocals(reader);
  while (reader.at < body.length) {
    const opcode = reader.u8();
    if (opcode !== Op.call && opcode !== returnCall && opcode !== functionReference) {
      skipInstruction(reader, opcode);
      continue;
    }
    w.append(body.subarray(copied, reader.at));
    w.u32(indexOf(reader.leb()));
    copied = reader.at;
  }
  w.append(body.subarray(copied));
  return w.take();
}

function code(bodies: readonly Uint8Array[]): Uint8Array {
  const w = new ByteWriter(65536);
  w.u32(bodies.length);
  for (const body of bodies) {
    w.u32(body.length);
    w.append(body);
  }
  return w.take();
}

/** They name functions, and places in their bodies. */
function hints(reader: Reader, indexOf: (old: number) => number): Uint8Array {
  reader.skipName();
  const all = Array.from({ length: reader.leb() }, () => {
    const index = indexOf(reader.leb());
    const start = reader.at;
    for (let count = reader.leb(); count > 0; count--) {
      reader.leb();
      const size = reader.leb();
      reader.at += size;
    }
    return { index, bytes: reader.bytes.subarray(start, reader.at) };
  });
  const w = new ByteWriter();
  w.name(branchHints);
  w.u32(all.length);
  for (const { index, bytes } of all.sort((a, b) => a.index - b.index)) {
    w.u32(index);
    w.append(bytes);
  }
  return w.take();
}
