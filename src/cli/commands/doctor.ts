/** `unikvm doctor`: what this platform allows, which implementations load and why one does not, which guests are cached. */
import { availableParallelism, totalmem } from "node:os";
import type { Command } from "commander";
import { listGuests } from "../../../guests/index.js";
import { messageOf } from "../../base/errors.js";
import { silent } from "../../base/log.js";
import { moduleList } from "../../kernel/module-list.js";
import { detectWasmFeatures } from "../../wasm/features.js";
import { enableRelaxedSimd } from "../../wasm/node/relaxed-simd.js";
import { addExamples, ExitStatus, type Finish } from "../command.js";
import { loadKvm } from "../kvm.js";
import { newerEngine } from "../newer-engine.js";

type Row = readonly [what: string, value: string, note: string];

const yesNo = (value: boolean) => (value ? "yes" : "no");

function platformRows(): Row[] {
  const before = detectWasmFeatures();
  const enabled = !before.relaxedSimd && enableRelaxedSimd();
  const features = detectWasmFeatures();
  const newer = newerEngine(process.versions.node);
  return [
    ["Node.js", process.versions.node, `V8 ${process.versions.v8}, ${process.platform} ${process.arch}`],
    ...(newer === undefined ? [] : [["newer engine", "faster", newer] as const]),
    ["processors", String(availableParallelism()), `${Math.round(totalmem() / 2 ** 20)} MB of memory`],
    ["WebAssembly", yesNo(typeof WebAssembly !== "undefined"), "both implementations need it"],
    ["shared memory", yesNo(features.sharedMemory), features.sharedMemory ? "a thread per vCPU" : "one thread for all"],
    ["code generation", yesNo(features.codeGeneration), "hv needs it"],
    ["SIMD", yesNo(features.simd), "both implementations need it"],
    ["tail calls", yesNo(features.tailCalls), ""],
    ["relaxed SIMD", yesNo(features.relaxedSimd), enabled ? "after turning on V8's flag" : ""],
    ["fused relaxed madd", yesNo(features.fusedMadd), "without it, fused multiply-add is slower"],
    ["64-bit memory", yesNo(features.memory64), "without it, a guest has less than 4 GB"],
  ];
}

/** Why one does not load. Throws what keeps anything from loading: too few descriptors say nothing of an implementation. */
function whyNot(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (Object.hasOwn(cause, "code") && Reflect.get(cause, "code") === "EMFILE") throw cause;
  }
  return messageOf(error);
}

/** Each implementation of each kvm alone, so that what one lacks does not hide behind the other. */
async function implementationRows(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { definition, guests } of moduleList()) {
    if (!guests) continue;
    for (const name of ["hv", "pr"] as const) {
      let version = 0;
      const why = await loadKvm({ implementations: [name] }, silent, {}, definition.name).then(({ kvm, close }) => {
        version = kvm.getApiVersion();
        close();
      }, whyNot);
      const note = why ?? `${guests.join(", ")}; API version ${version}`;
      rows.push([`implementation ${name} of ${definition.name}`, yesNo(why === undefined), note]);
    }
  }
  return rows;
}

function guestRows(): Row[] {
  return listGuests().map(({ port, guest }) =>
    "missing" in guest
      ? [
          `guest ${port}`,
          "no",
          guest.unreadable ? guest.missing : `${guest.missing}; unikvm guest fetch ${port} brings it`,
        ]
      : [`guest ${port}`, "yes", `${guest.description}, in ${guest.folder}`],
  );
}

export function describe(command: Command, finish: Finish): void {
  addExamples(command, "unikvm doctor", "unikvm doctor --json")
    .description("show what this platform allows and what keeps unikvm from working; ends with 3 if nothing loads")
    .option("--json", "for programs: a list of what, value, note");
  command.action(
    finish(async ({ json = false }: { json?: boolean }) => {
      const implementations = await implementationRows();
      const rows = [...platformRows(), ...implementations, ...guestRows()];
      const loads = implementations.some(([, value]) => value === "yes");
      if (json) {
        process.stdout.write(`${JSON.stringify(rows.map(([what, value, note]) => ({ what, value, note })))}\n`);
        return loads ? ExitStatus.done : ExitStatus.failed;
      }
      const width = Math.max(...rows.map(([what]) => what.length));
      for (const [what, value, note] of rows) {
        process.stdout.write(`${what.padEnd(width)}  ${value}${note === "" ? "" : `  (${note})`}\n`);
      }
      return loads ? ExitStatus.done : ExitStatus.failed;
    }),
  );
}
