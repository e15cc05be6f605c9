/** Guests whose exceptions lead to exceptions for ever: each leaves at its deadline, as any other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guest, interrupts, types } from "./kvm.test-support.js";
import { KVM_X86_UNIKVM_HV } from "./uapi.js";

const handler = 0x11_0000;
/** Handlers that fault as they begin, by the bytes that they have; of one the address is no memory's. */
const loops: Readonly<
  Record<string, { readonly vector: number; readonly target: bigint; readonly bytes: readonly number[] }>
> = {
  "an invalid opcode's handler that is one": { vector: 6, target: BigInt(handler), bytes: [0x0f, 0x0b] },
  "a page fault's handler that is not there": { vector: 14, target: 0x7f00_0000_0000n, bytes: [] },
  "a general protection's handler of a selector that is none": {
    ...{ vector: 13, target: BigInt(handler) },
    bytes: [0x66, 0xb8, 0xf0, 0xff, 0x8e, 0xd8],
  },
  "a debug interrupt's handler that is one": { vector: 3, target: BigInt(handler), bytes: [0xcc] },
};

for (const type of types) {
  for (const [name, { vector, target, bytes }] of Object.entries(loops)) {
    test(`${type === KVM_X86_UNIKVM_HV ? "hv" : "pr"}: ${name}`, async () => {
      const one = await guest(type);
      const ram = one.ram();
      const view = new DataView(ram.buffer, ram.byteOffset, ram.length);
      const at = interrupts + 16 * vector;
      // By IST1, so that the stack never ends; the task is at 0.
      view.setBigUint64(
        at,
        (target & 0xffffn) | (0x10n << 16n) | (0x8e01n << 32n) | (((target >> 16n) & 0xffffn) << 48n),
        true,
      );
      view.setBigUint64(at + 8, target >> 32n, true);
      view.setBigUint64(36, 0x8000n, true);
      ram.set(bytes, handler);
      one.vm.guestWritten(0n, ram.length);
      one.load(
        { 3: ["int3"], 6: ["ud2"], 13: ["mov eax, 0xfff0", "mov ds, ax"], 14: ["mov rax, 0x7f0000000000", "jmp rax"] }[
          vector
        ] ?? [],
      );
      for (let i = 0; i < 3; i++) {
        const begin = performance.now();
        const exit = one.cpu.run({ deadline: begin + 30, wait: false });
        assert.equal(exit.reason, "intr");
        assert.ok(performance.now() - begin < 5000, "it left late");
      }
      assert.equal(one.cpu.getRegs().rsp < 0x8000n, true);
    });
  }
}
