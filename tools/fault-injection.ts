/**
 * The fault injection run: every step of every module's init, and every allocation on the way from modprobe to a VM with
 * all that a VM can have, fails once. Afterwards nothing may be left behind, and what failed must succeed when tried again.
 *
 *   node dist/tools/fault-injection.js    prints what was made to fail, and what was left
 */
import { fileURLToPath } from "node:url";
import { KVM_DEV_XIVE_GRP_SOURCE, type PpcVm } from "../src/arch/powerpc/uapi.js";
import { KvmError } from "../src/base/errors.js";
import { withFaults } from "../src/base/fault.js";
import { thisPackage } from "../src/base/package.js";
import { moduleList } from "../src/kernel/module-list.js";
import type { KvmConfig, KvmOffer } from "../src/kernel.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_PAPR,
  KVM_DEV_TYPE_XICS,
  KVM_DEV_TYPE_XIVE,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../src/kvm/constants.js";
import type { ModuleDefinition } from "../src/modules/define-module.js";
import { ModuleLoader } from "../src/modules/loader.js";
import { acquireVac, releaseVac, type Vac } from "../src/vac/vac.js";

/** What could fail in one scenario, and what came of it. */
export interface ScenarioResult {
  readonly name: string;
  /** Steps of inits, and allocations. */
  readonly steps: number;
  readonly allocations: number;
  /** How often the whole failed, and how often it went on with less. */
  readonly refused: number;
  readonly degraded: number;
  /** What was left behind, or did not work when tried again; must be empty. */
  readonly left: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly loader: (hooks: Hooks) => ModuleLoader;
  /** What is done; throws if it fails. */
  readonly act: (loader: ModuleLoader) => Promise<void>;
}

export interface Hooks {
  readonly onStep: (module: string, step: string) => void;
  readonly onHeld: (module: string, step: string, held: boolean) => void;
}

/** Counts of all that outlives an object of JavaScript's. */
interface Counts {
  readonly loaded: string;
  readonly held: string;
  readonly vac: string;
}

interface Site {
  readonly kind: "step" | "allocation";
  /** With a number if it is passed several times; two that run at once may come in any order. */
  readonly name: string;
}

/** Runs one scenario, the site of the name `failing` failing; returns the sites that were passed. */
async function once({ loader: make, act }: Scenario, failing?: string) {
  const sites: Site[] = [];
  const passed = new Map<string, number>();
  const held = new Map<string, number>();
  const pass = (kind: Site["kind"], what: string): void => {
    const times = (passed.get(what) ?? 0) + 1;
    passed.set(what, times);
    const name = times === 1 ? what : `${what} (${times})`;
    sites.push({ kind, name });
    if (name === failing) throw new KvmError("ENOMEM", `injected at ${name}`);
  };
  const loader = make({
    onStep: (_, step) => pass("step", `step ${step}`),
    onHeld: (_, step, isHeld) => held.set(step, (held.get(step) ?? 0) + (isHeld ? 1 : -1)),
  });
  let error: unknown;
  await withFaults(
    (site) => pass("allocation", site),
    () =>
      act(loader).catch((thrown: unknown) => {
        error = thrown;
      }),
  );
  removeAll(loader);
  return { sites, error, counts: count(loader, held) };
}

/** Removes what was loaded, users first. */
function removeAll(loader: ModuleLoader): void {
  for (const { name } of loader.lsmod()) {
    try {
      loader.rmmod(name);
    } catch {
      // What cannot be removed is counted as left.
    }
  }
}

function count(loader: ModuleLoader, held: ReadonlyMap<string, number>): Counts {
  const vac = acquireVac(thisPackage);
  const page = { code: vac.page.codeBytes, threads: vac.page.workers };
  const counts = {
    loaded: loader
      .lsmod()
      .map(({ name, references }) => `${name} (${references})`)
      .join(" "),
    held: [...held]
      .filter(([, times]) => times !== 0)
      .map(([step]) => step)
      .join(", "),
    vac: `${vac.members().length} members, ${page.code} bytes of code, ${page.threads} threads, ${numbers(vac)}`,
  };
  if (vac.members().length === 0) releaseVac(vac);
  forgetPage();
  return counts;
}

/** The page of counters stays for as long as the process does; each run is to begin as the first. */
function forgetPage(): void {
  delete (globalThis as unknown as Record<symbol, unknown>)[Symbol.for("unikvm.vac.page")];
}

/** The number that the next VM would get tells whether one was lost. */
function numbers(vac: Vac): string {
  const member = vac.join(thisPackage);
  const next = member.allocateNumber("lpid");
  member.leave();
  return `next LPID ${next}`;
}

/** Fails each site of the scenario in turn. */
export async function runScenario(scenario: Scenario): Promise<ScenarioResult> {
  const left: string[] = [];
  const clean = JSON.stringify(count(new ModuleLoader([]), new Map()));
  const whole = await once(scenario);
  if (whole.error) throw new Error(`${scenario.name} fails by itself`, { cause: whole.error });
  if (JSON.stringify(whole.counts) !== clean) left.push(`without a fault: ${JSON.stringify(whole.counts)}`);
  let refused = 0;
  let degraded = 0;
  for (const { name } of whole.sites) {
    const { sites, error, counts } = await once(scenario, name);
    if (error) refused++;
    else degraded++;
    if (!sites.some((site) => site.name === name)) left.push(`${name}: was not reached again`);
    if (error && !(error instanceof KvmError)) left.push(`${name}: no errno but ${error}`);
    if (JSON.stringify(counts) !== clean) left.push(`${name}: ${JSON.stringify(counts)}`);
    const again = await once(scenario);
    if (again.error || JSON.stringify(again.counts) !== clean)
      left.push(`${name}: does not work again: ${again.error}`);
  }
  const steps = whole.sites.filter(({ kind }) => kind === "step").length;
  return { name: scenario.name, steps, allocations: whole.sites.length - steps, refused, degraded, left };
}

/** A VM with a CPU, RAM that is logged, an interrupt controller, events, routes and a DMA window. */
function furnish(vm: PpcVm, controller: "xics" | "xive"): void {
  const ram = vm.allocate(1 << 20);
  vm.setUserMemoryRegion({
    slot: 0,
    guestPhysAddr: 0n,
    memorySize: 1n << 20n,
    userspaceAddr: ram,
    flags: KVM_MEM_LOG_DIRTY_PAGES,
  });
  const xive = controller === "xive";
  const device = vm.createDevice(xive ? KVM_DEV_TYPE_XIVE : KVM_DEV_TYPE_XICS);
  try {
    const vcpu = vm.createVcpu(0);
    try {
      vcpu.enableCap({ cap: KVM_CAP_PPC_PAPR });
      vcpu.enableCap({ cap: xive ? KVM_CAP_PPC_IRQ_XIVE : KVM_CAP_IRQ_XICS, args: [device?.fd ?? 0, 0] });
      if (xive) device?.setAttr(KVM_DEV_XIVE_GRP_SOURCE, 0x1000n, 0n);
      vm.setGsiRouting([{ gsi: 1, type: "irqchip", irqchip: 0, pin: 0x1000 }]);
      const event = vm.createEventFd();
      event.onSignal(() => {});
      vm.irqfd({ fd: event, gsi: 1 });
      vm.ioeventfd({ fd: event, addr: 0x2000_0000n, len: 4 });
      vcpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP });
      vcpu.run({ wait: false });
      vm.createSpaprTce({ liobn: 0x8000_0000n, pageShift: 12, offset: 0n, size: 16n }).close();
    } finally {
      vcpu.close();
    }
  } finally {
    device?.close();
  }
}

const configurations: readonly KvmConfig[] = [{}, { implementations: ["hv"] }, { implementations: ["pr"] }];
const memories = ["shared", "unshared"] as const;

/** Loading each module, and a VM of each implementation for each kind of memory. */
export function scenarios(): readonly Scenario[] {
  const loading = moduleList().map(({ definition }) => ({
    name: `modprobe ${definition.name}`,
    loader: (hooks: Hooks) => new ModuleLoader(definitionsOf({}), hooks),
    act: (loader: ModuleLoader) => loader.modprobe(definition.name),
  }));
  const machines = configurations.flatMap((config) =>
    memories.map((memory): Scenario => {
      const kinds = config.implementations?.join() ?? "hv,pr";
      return {
        name: `a VM of ${kinds}, ${memory} memory`,
        loader: (hooks) => new ModuleLoader(definitionsOf({ ...config, memory }), hooks),
        act: async (loader) => {
          await loader.modprobe("kvm");
          const kvm = loader.offer<KvmOffer>("kvm").open();
          const vm = kvm.createVm(0, { shared: memory === "shared" });
          try {
            // One kind of memory with each interrupt controller.
            furnish(vm, memory === "shared" ? "xics" : "xive");
          } finally {
            vm.close();
          }
        },
      };
    }),
  );
  return [...loading, ...machines];
}

const definitionsOf = (config: KvmConfig): readonly ModuleDefinition[] =>
  moduleList(config).map(({ definition }) => definition);

/** The table that is printed. */
export function formatResults(results: readonly ScenarioResult[]): string {
  const rows = [
    ["scenario", "steps", "allocations", "refused", "went on with less", "left behind"],
    ...results.map(({ name, steps, allocations, refused, degraded, left }) =>
      [name, steps, allocations, refused, degraded, left.length].map(String),
    ),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios()) results.push(await runScenario(scenario));
  process.stdout.write(formatResults(results));
  const left = results.flatMap(({ name, left: lines }) => lines.map((line) => `${name}: ${line}\n`));
  process.stderr.write(left.join(""));
  if (left.length > 0) process.exitCode = 1;
}
