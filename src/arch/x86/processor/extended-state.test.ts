/** KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_XCRS, KVM_GET_DEBUGREGS and what sets them: with a guest that has the state, and misuse. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_CAP_XSAVE2 } from "../../../kvm/constants.js";
import { guest, kvmOf, types, vectorAt } from "../kvm.test-support.js";
import { KVM_X86_UNIKVM_HV } from "../uapi.js";

const area = 0x3_0000;
const bytes = (length: number, from: number) => Uint8Array.from({ length }, (_, i) => (from + 7 * i) & 0xff);

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: a guest finds the state that was set, in an area that it saves, and is asked for what it has set`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    const sregs = cpu.getSregs();
    cpu.setSregs({ ...sregs, cr4: sregs.cr4 | 0x4_0600n });
    cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 0, value: 3n }] });
    assert.deepEqual(cpu.getXcrs(), { flags: 0, xcrs: [{ xcr: 0, value: 3n }] });
    // Of each register of the x87's stack ten bytes count.
    const fpr = bytes(128, 3).map((byte, i) => (i % 16 < 10 ? byte : 0));
    const fpu = {
      ...{ fpr, fcw: 0x37f, fsw: 0x1800, ftwx: 0x5a, last_opcode: 0x5d1, last_ip: 0x1234n, last_dp: 0x5678n },
      ...{ xmm: bytes(256, 9), mxcsr: 0x1fa0 },
    };
    cpu.setFpu(fpu);
    assert.deepEqual(cpu.getFpu(), fpu);
    const saved = cpu.getXsave();
    one.load(["mov eax, 0x7", "xor edx, edx", `mov edi, 0x${area.toString(16)}`, "xsave64 [rdi]"]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual(one.ram().slice(area, area + 520), saved.slice(0, 520));
    assert.deepEqual(saved, cpu.getXsave2());
    assert.equal(saved.length, one.vm.checkExtension(KVM_CAP_XSAVE2));

    // The other way: what the area has not is as it begins.
    const other = saved.slice();
    other[512] = 2;
    other.set(bytes(16, 50), 160);
    cpu.setXsave(other);
    one.load([`movups xmmword ptr [0x${area.toString(16)}], xmm0`, "fnstcw word ptr [0x30010]"]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual(one.ram().slice(area, area + 18), Uint8Array.of(...bytes(16, 50), 0x7f, 0x03));
    assert.equal(cpu.getFpu().ftwx, 0);
    const last = cpu.getXsave();
    assert.deepEqual([last[512], last.slice(160, 416)], [2, other.slice(160, 416)]);
  });

  test(`${title}: PKRU is a component, and a guest's translations are as the one that was set`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    const sregs = cpu.getSregs();
    // CR4.OSXSAVE, CR4.PKE and SSE's.
    cpu.setSregs({ ...sregs, cr4: sregs.cr4 | 0x44_0600n });
    cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 0, value: 0x207n }] });
    assert.equal(cpu.getXcrs().xcrs[0]?.value, 0x207n);
    const write = ["mov rbx, 0x200000", "mov qword ptr [rbx+0x1000], rbx"];
    // The page of 2 MiB there becomes the users', with key 5.
    const keyed = [
      ...["mov eax, 0x1000", "mov rbx, 0x2007", "mov qword ptr [rax], rbx"],
      ...["mov eax, 0x2000", "mov rbx, 0x3007", "mov qword ptr [rax], rbx"],
      ...["mov eax, 0x3008", "mov rbx, 0x2800000000200087", "mov qword ptr [rax], rbx", "mov rax, cr3", "mov cr3, rax"],
    ];
    const set = (value: number) => ["xor ecx, ecx", "xor edx, edx", `mov eax, 0x${value.toString(16)}`, "wrpkru"];
    one.load([
      ...keyed,
      ...set(0x8000_0004),
      ...write,
      `mov edi, 0x${area.toString(16)}`,
      "mov eax, 0x200",
      "xsave [rdi]",
    ]);
    assert.deepEqual([one.run().reason, vectorAt(one)], ["hlt", -1]);
    const saved = cpu.getXsave();
    const keys = (bytes: Uint8Array) => [...bytes.subarray(2688, 2696)];
    assert.deepEqual(keys(saved), [4, 0, 0, 0x80, 0, 0, 0, 0]);
    assert.deepEqual(keys(one.ram().subarray(area, area + 4096)), keys(saved));
    assert.equal((saved[513] ?? 0) & 2, 2);
    const change = (value: number, there = true) => {
      const other = saved.slice();
      new DataView(other.buffer).setUint32(2688, value, true);
      if (!there) other[513] = 0;
      cpu.setXsave(other);
    };
    const vectorNow = (lines: readonly string[]) => {
      one.load(lines);
      assert.equal(one.run().reason, "hlt");
      return vectorAt(one);
    };
    const state = one.vm.saveState();
    assert.equal(vectorNow(write), -1);
    change(1 << 10);
    assert.equal(vectorNow(write), 14);
    assert.deepEqual(keys(cpu.getXsave()), [0, 4, 0, 0, 0, 0, 0, 0]);
    const forbidden = one.vm.saveState();
    // Without the component it is as it begins.
    change(1 << 10, false);
    assert.deepEqual(keys(cpu.getXsave()), [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal((cpu.getXsave()[513] ?? 0) & 2, 0);
    assert.equal(vectorNow(write), -1);
    one.vm.loadState(forbidden);
    assert.equal(cpu.getXcrs().xcrs[0]?.value, 0x207n);
    assert.equal(vectorNow(write), 14);
    one.vm.loadState(state);
    assert.deepEqual(keys(cpu.getXsave()), keys(saved));
    assert.equal(vectorNow(write), -1);
  });

  test(`${title}: a vCPU whose CPUID lacks PKRU's component has it neither in XCR0 nor in an area`, async () => {
    const kvm = await kvmOf("intel");
    const vm = kvm.createVm(type);
    const cpu = vm.createVcpu(0);
    cpu.setCpuid2(
      kvm.getSupportedCpuid().map((one) => (one.function === 0xd ? { ...one, eax: one.eax & ~0x200 } : one)),
    );
    const wrong = cpu.getXsave();
    wrong[513] = 2;
    assert.throws(() => cpu.setXsave(wrong), /EINVAL.*XSTATE_BV 0x20[0-9] has components/);
    assert.throws(() => cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 0, value: 0x207n }] }), /EINVAL.*XCR0 cannot be 0x207/);
    cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 0, value: 7n }] });
    cpu.close();
    vm.close();
  });

  test(`${title}: what is no state of this vCPU is EINVAL, and changes nothing`, async () => {
    const { cpu } = await guest(type);
    const before = [cpu.getXsave(), cpu.getXcrs(), cpu.getDebugregs()];
    const changed = (at: number, value: number) => {
      const wrong = cpu.getXsave();
      // Nothing of it is as it begins.
      wrong[512] = 3;
      wrong[160] = 1;
      wrong[at] = value;
      return wrong;
    };
    const refused = (call: () => void, sentence: RegExp) =>
      assert.throws(call, (error) => /EINVAL/.test(String(error)) && sentence.test(String(error)));
    refused(() => cpu.setXsave(changed(513, 1)), /XSTATE_BV 0x103 has components/);
    refused(() => cpu.setXsave(changed(512, 0xff)), /XSTATE_BV 0xff/);
    refused(() => cpu.setXsave(changed(527, 0x80)), /XCOMP_BV/);
    refused(() => cpu.setXsave(changed(540, 1)), /reserved bytes/);
    refused(() => cpu.setXsave(changed(27, 1)), /MXCSR 0x1001f80/);
    refused(() => cpu.setXsave(new Uint8Array(1024)), /area/);
    refused(() => cpu.setFpu({ ...cpu.getFpu(), mxcsr: 1 << 17 }), /MXCSR/);
    refused(() => cpu.setFpu({ ...cpu.getFpu(), xmm: new Uint8Array(255) }), /xmm/);
    for (const value of [0n, 2n, 1n << 62n, 1n << 9n, 0x205n, 0x209n])
      refused(() => cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 0, value }] }), /XCR0 cannot be/);
    refused(() => cpu.setXcrs({ flags: 1, xcrs: [] }), /flags/);
    refused(() => cpu.setXcrs({ flags: 0, xcrs: Array(17).fill({ xcr: 1, value: 0n }) }), /16 at most/);
    const debugregs = cpu.getDebugregs();
    refused(() => cpu.setDebugregs({ ...debugregs, flags: 1 }), /flags/);
    refused(() => cpu.setDebugregs({ ...debugregs, db: [0n] }), /four/);
    refused(() => cpu.setDebugregs({ ...debugregs, dr6: 1n << 32n }), /32 bits/);
    assert.deepEqual([cpu.getXsave(), cpu.getXcrs(), cpu.getDebugregs()], before);
    // As Linux has it, other registers are left alone.
    cpu.setXcrs({ flags: 0, xcrs: [{ xcr: 1, value: 5n }] });
    const set = { db: [1n, 2n, 3n, 1n << 63n], dr6: 0xffff_4ff1n, dr7: 0x400n, flags: 0 };
    cpu.setDebugregs(set);
    assert.deepEqual(cpu.getDebugregs(), set);
  });
}

test("XCR0 and debug registers that there cannot be are refused in a state", async () => {
  const one = await guest(types[1]);
  const state = one.vm.saveState();
  const with_ = (field: string, index: number, value: bigint) => {
    const copy = structuredClone(state);
    const found = JSON.stringify(copy, (_, v) => (typeof v === "bigint" ? `${v}` : v));
    assert.ok(found.includes(field));
    const visit = (node: unknown): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [name, child] of Object.entries(node)) {
        if (name === field && Array.isArray(child) && child.length > index) (child as bigint[])[index] = value;
        else visit(child);
      }
    };
    visit(copy);
    return copy;
  };
  for (const [field, index, value] of [
    ["xcr0", 0, 0n],
    ["xcr0", 0, 5n],
    ["xcr0", 0, 1n << 9n],
    ["xcr0", 0, 0x205n],
    ["xcr0", 0, 0x20fn],
    ["debug", 7, 1n << 32n],
    ["debug", 6, 1n << 40n],
  ] as const)
    assert.throws(() => one.vm.loadState(with_(field, index, value) as never), /EINVAL/, `${field} ${value}`);
  one.vm.loadState(with_("debug", 7, 0x400n) as never);
});
