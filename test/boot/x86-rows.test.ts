/**
 * x86 guests with everything that can be chosen for one, so that every two choices meet in some boot: Debian's kernels of 64 bits
 * and of 32, with PAE and without, processors v1 to v3 of either vendor, ACPI, 1 and 4 of them, memory beyond 2 GiB, hv and pr, with
 * threads, without, and in Chromium. With UNIKVM_PAIRS=all all of them, some minutes; else a few. UNIKVM_SEED=N chooses others,
 * UNIKVM_ONLY=REGEXP takes some by their names. Each guest's processes look whether anybody else's are in their registers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileOf } from "../browser/guest-files.js";
import { launch } from "../browser/launch.js";
import { serve } from "../browser/server.js";
import { bootX86InPage, runInX86Page } from "../browser/x86-page.js";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import type { Implementation } from "./booting.test-support.js";
import { pairwise } from "./pairwise.js";
import {
  allowed,
  axes,
  bootRow,
  checkRow,
  checkWork,
  fetchKernel686,
  filesOf,
  inPage,
  nameOf,
  noKernelOf,
  portOf,
  toldOf,
  type X86Row,
} from "./x86-rows.js";

const all = process.env["UNIKVM_PAIRS"] === "all";
const seed = Number(process.env["UNIKVM_SEED"] ?? 1);
const only = new RegExp(process.env["UNIKVM_ONLY"] ?? "");

/** Both engines have all registers to keep, and `npm test` has these. */
const first = [
  {
    ...{
      kernel: "amd64",
      cpu: "x86-64-v3",
      module: "kvm-intel",
      acpi: "on",
      interrupts: "apic",
      cpus: "1",
      memory: "2560M",
    },
    ...{ type: "hv", where: "threads" },
  },
  {
    ...{ kernel: "amd64", cpu: "max", module: "kvm-amd", acpi: "off", interrupts: "pic", cpus: "4", memory: "256M" },
    ...{ type: "pr", where: "single" },
  },
] as const satisfies readonly X86Row[];

/** `npm test` has no browser here and fetches no other kernel; the third is the one that brings most then. */
const rows = pairwise(axes, { seed, allowed, first });
const few = rows.filter((row) => !inPage(row) && row.kernel !== "686").slice(0, first.length + 1);
const chosen = (all ? rows : few).filter((row) => only.test(nameOf(row)));

if (all && chosen.some((row) => row.kernel === "686" && noKernelOf(row))) await fetchKernel686();

/** The rows in a page. */
async function bootPageRow(row: X86Row): Promise<void> {
  const { module, cpus, cpu, type, where } = row;
  const { folder } = await built(module === "kvm-intel" ? "pages" : "pagesAmd", "browser");
  const server = await serve(folder, { isolated: where === "page", more: { guest: await fileOf(portOf(row)) } });
  const page = await (await launch("chrome")).newPage();
  try {
    page.setDefaultTimeout(280_000);
    await page.goto(server.url);
    const guest = row.kernel === "amd64" ? "x86_64" : "i386";
    const append = toldOf(row).join(" ");
    const boot = { guest, type: type as Implementation, cpus: Number(cpus), cpu, append } as const;
    assert.deepEqual(await page.evaluate(bootX86InPage, boot), { isolated: where === "page" });
    const files = filesOf(row, true).map((file) => [`/${file.path}`, Buffer.from(file.data).toString("hex")]);
    const end = await page.evaluate(runInX86Page, Object.fromEntries(files), "/row.sh");
    checkWork(row, end.stdout, true);
    assert.deepEqual([end.exitCode, end.kind], [0, "closed"], `${end.stderr}\n${end.message}`);
  } finally {
    await page.close();
    server.close();
  }
}

for (const row of chosen) {
  if (inPage(row)) {
    const skip = missing("compilerX86", "compilerI386", "chrome") || noKernelOf(row);
    test(`a guest of x86: ${nameOf(row)}`, { skip }, () => bootPageRow(row));
    continue;
  }
  test(`a guest of x86: ${nameOf(row)}`, {
    skip: missing("compilerX86", "compilerI386") || noKernelOf(row),
  }, async () => {
    checkRow(row, await bootRow(row, { long: all, timeout: all ? 300 : 120 }), all);
  });
}
