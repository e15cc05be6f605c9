/** What a region's accesses are emitted as: plain, byte for byte as without the question, or in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { state } from "../../../src/arch/x86/engines/layout.js";
import { translatorTarget } from "../../../src/arch/x86/engines/translator-target.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { Linkage } from "../../../src/engine/translate/linkage.js";
import { RegionTranslator, regionTemplates } from "../../../src/engine/translate/region.js";
import { atomicLoadOpcodes, atomicOpcodes, atomicStoreOpcodes, Prefix } from "../../../src/wasm/opcodes.js";

/** Accesses of each size: alone, off one register together with others, and reading and writing; XLAT ends it. */
const program = [
  ...["mov rax, qword ptr [rdi]", "mov ecx, dword ptr [rdi+0x8]", "movzx edx, word ptr [rdi+0xc]"],
  ...["mov bl, byte ptr [rdi+0xe]", "mov qword ptr [rdi+0x10], rax", "mov dword ptr [rdi+0x18], ecx"],
  ...["mov word ptr [rdi+0x1c], dx", "mov byte ptr [rdi+0x1e], bl", "movups xmm0, xmmword ptr [rsi+rax]"],
  ...["movups xmmword ptr [rsi+rcx], xmm0", "add qword ptr [r8+rax], 0x1", "lock add dword ptr [r9+rax], 0x2"],
];

/** The region of the program, in hexadecimal. */
function region(ordered: boolean | undefined): string {
  const memory = new WebAssembly.Memory({ initial: 4 });
  const view = new DataView(memory.buffer);
  view.setBigUint64(state.features.offset, -1n, true);
  const at = 0x30000;
  const code = program.flatMap((line) => [...assemble(line, 64, 0n)]);
  new Uint8Array(memory.buffer, at).set(code);
  const decode = translatorTarget.decoder(memory, 0);
  const linkage = new Linkage(translatorTarget, 0);
  const setting = { target: translatorTarget, linkage, mode: 0, ordered: () => ordered ?? false };
  const translator = new RegionTranslator(
    {
      ...{ span: 4096, missesCall: false, tailCalls: true, entry: 0 },
      decodedEntry: () => undefined,
      word: () => undefined,
      base: 0n,
      data: () => undefined,
      register: () => 0n,
      fetch: (offset) => (offset < code.length ? decode(view, at + offset, code.length - offset, 0) : undefined),
    },
    { ...setting, templates: regionTemplates(translatorTarget, linkage, 0, setting.ordered) },
  );
  return Buffer.from(translator.translate()?.finish() ?? []).toString("hex");
}

const bytes = (...values: readonly number[]): string => Buffer.from(values).toString("hex");
const count = (text: string, part: string): number => text.split(part).length - 1;
/** An atomic access, whose alignment is its size, and the fence; each is followed by more that differs. */
const loads = (text: string, size: 1 | 2 | 4 | 8) =>
  count(text, bytes(Prefix.atomic, atomicLoadOpcodes[size], Math.log2(size)));
const stores = (text: string, size: 1 | 2 | 4 | 8) =>
  count(text, bytes(Prefix.atomic, atomicStoreOpcodes[size], Math.log2(size)));
const fences = (text: string) => count(text, bytes(Prefix.atomic, atomicOpcodes.fence, 0));

test("ordered, each access of a region is one of the host's that is, and has its other form for what is not aligned", () => {
  const text = region(true);
  // Besides those that are named: ADD reads and writes 8 bytes; with LOCK it reads 4.
  assert.deepEqual(
    [1, 2, 4, 8].map((size) => loads(text, size as 1)),
    [1, 1, 2, 2],
  );
  assert.deepEqual(
    [1, 2, 4, 8].map((size) => stores(text, size as 1)),
    [1, 1, 1, 2],
  );
  // Loads of 2, 4, 4, 8, 8 and 16 bytes have one, a store of 16 too, other stores two, and the exchange one.
  assert.equal(fences(text), 6 + 1 + 2 * 4 + 1);
});

test("plain, a region has no atomic access but the exchange, whose shape nobody else's is", () => {
  const text = region(false);
  assert.equal(region(undefined), text);
  for (const size of [1, 2, 4, 8] as const) assert.deepEqual([loads(text, size), stores(text, size)], [0, 0]);
  assert.equal(fences(text), 0);
});
