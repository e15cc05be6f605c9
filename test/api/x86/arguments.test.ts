/** Every call of x86's interface, from JavaScript, where no compiler helps: what it does not take is refused. */
import { test } from "node:test";
import { x86Signatures } from "../../../src/arch/x86/calls/signatures.js";
import { checked } from "../checked.js";
import { type Called, refusesMisuse } from "../misuse.js";
import { implementations, X86Fixture } from "./fixture.js";

/** What a call is given before the argument in question: most take anything that their signature allows. */
const before: Readonly<Record<string, readonly unknown[]>> = {
  "vm.irqLine": [0],
  "vm.guestWritten": [0n],
  "vm.hostWritten": [0],
  "vm.bytes": [0],
  "vcpu.setOneReg": [0n],
  "device.setAttr": [1, 0n],
  "device.getAttr": [1],
  "device.hasAttr": [1],
  "stats.pread": [new Uint8Array(1)],
};

function objectsOf(it: X86Fixture) {
  it.controller;
  return it.objects satisfies Record<keyof typeof x86Signatures, object>;
}

for (const name of implementations) {
  for (const { on, method, signature } of checked(x86Signatures)) {
    test(`x86 ${name}: ${on}.${method} refuses what it does not take`, async () => {
      const it = new X86Fixture(name);
      const object = objectsOf(it)[on as keyof typeof x86Signatures] as unknown as Record<string, Called>;
      const earlier = method === "moveTo" ? [it.kvm] : (before[`${on}.${method}`] ?? []);
      await refusesMisuse((...given) => object[method]?.(...given), signature, earlier);
      it.close();
    });
  }
}
