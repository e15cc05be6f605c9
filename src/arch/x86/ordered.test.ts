/** The module's parameter `ordered`, and what becomes of a vCPU that has run alone when it gets another beside it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import type { AssetName, LoadAsset } from "../../engine/assets.js";
import { ModuleLoader } from "../../modules/loader.js";
import { vac } from "../../vac/module.js";
import { guestOf, types } from "./kvm.test-support.js";
import { loadAssetHere } from "./module/assets.js";
import { kvmAmdModule } from "./module-amd.js";
import { kvmIntelModule, type X86KvmOffer } from "./module-intel.js";
import { KVM_X86_UNIKVM_HV } from "./uapi.js";

/** A loader with the module, and the names of what it has loaded. */
function watched(memory: "shared" | "both" = "shared") {
  const names: AssetName[] = [];
  const loadAsset: LoadAsset = (name, arch) => {
    names.push(name);
    return loadAssetHere(name, arch);
  };
  return { names, loader: new ModuleLoader([vac, kvmIntelModule({ memory, loadAsset })]) };
}

test("what orders accesses is loaded where it is asked for, and only for shared memory", async () => {
  const loadedWith = async (parameters: Record<string, string>, memory?: "both") => {
    const { names, loader } = watched(memory);
    await loader.modprobe("kvm_intel", parameters);
    loader.rmmod("kvm_intel");
    assert.deepEqual(
      loader.lsmod().map(({ name }) => name),
      ["vac"],
    );
    return names.filter((name) => name.startsWith("interpreter")).sort();
  };
  const [plain, ordered, unshared] = [".shared", ".ordered", ""].map((kind) => `interpreter${kind}.wasm`);
  assert.deepEqual(await loadedWith({ ordered: "off" }), [plain]);
  assert.deepEqual(await loadedWith({ ordered: "on" }), [ordered, plain]);
  assert.deepEqual(await loadedWith({ ordered: "on" }, "both"), [ordered, plain, unshared]);
  const isX86 = process.arch === "x64" || process.arch === "ia32";
  assert.deepEqual(await loadedWith({}), isX86 ? [plain] : [ordered, plain]);
});

test("EINVAL: a value that there is not, and nothing is left", async () => {
  for (const define of [kvmIntelModule, kvmAmdModule]) {
    const loader = new ModuleLoader([vac, define({ memory: "shared" })]);
    const name = define === kvmIntelModule ? "kvm_intel" : "kvm_amd";
    await assert.rejects(loader.modprobe(name, { ordered: "maybe" }), errno("EINVAL"));
    assert.ok(!loader.lsmod().some((loaded) => loaded.name === name));
    await loader.modprobe(name, { ordered: "on" });
    assert.throws(() => loader.setParameter(name, "ordered", "off"), errno("EACCES"));
    assert.equal(loader.parameters(name)["ordered"], "on");
  }
});

test("a platform that lacks what orders accesses has no implementation where they are asked for", async () => {
  const loadAsset: LoadAsset = async (name, arch) => {
    if (name.includes("ordered")) throw new Error("no such file");
    return loadAssetHere(name, arch);
  };
  const loader = new ModuleLoader([vac, kvmIntelModule({ memory: "shared", loadAsset })]);
  await assert.rejects(loader.modprobe("kvm_intel", { ordered: "on" }), /ordered\.wasm cannot be read: no such file/);
  await loader.modprobe("kvm_intel", { ordered: "off" });
});

for (const type of types) {
  const isHv = type === KVM_X86_UNIKVM_HV;
  test(`${isHv ? "hv" : "pr"}: a vCPU that ran alone goes on in order when there is another`, async () => {
    const { loader } = watched();
    await loader.modprobe("kvm_intel", { ordered: "on" });
    const one = guestOf(loader.offer<X86KvmOffer>("kvm_intel").open(), type);
    // Long enough that it is translated: counts in memory.
    const times = isHv ? 1_000_000 : 100_000;
    const count = [
      ...["mov edi, 0x200000", `mov ecx, ${times}`],
      ...["add dword ptr [rdi], 0x1", "add qword ptr [rdi+0x9], 0x3", "sub ecx, 0x1", "jne 0x10000a"],
    ];
    one.load(count);
    assert.equal(one.run().reason, "hlt");
    const at = (offset: number) => new DataView(one.ram().slice().buffer).getUint32(0x20_0000 + offset, true);
    assert.deepEqual([at(0), at(9)], [times, 3 * times]);
    const other = one.vm.createVcpu(1);
    one.load(count);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([at(0), at(9)], [2 * times, 6 * times]);
    assert.equal((one.cpu.stats()["regions"] ?? 0) > 0, isHv);
    other.close();
    one.cpu.close();
    one.vm.close();
  });
}
