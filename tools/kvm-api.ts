/**
 * Writes docs/kvm-api.md from the tables that the code works with: calls, exits, extensions, registers, devices.
 *
 *   node dist/tools/kvm-api.js            prints it
 *   node dist/tools/kvm-api.js --write    writes the file
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { powerpc } from "../src/arch/powerpc/arch.js";
import { type AnyCall, powerpcCalls } from "../src/arch/powerpc/calls/calls.js";
import { powerpcSignatures } from "../src/arch/powerpc/calls/signatures.js";
import { rows as powerpcRows } from "../src/arch/powerpc/module/implementations.js";
import { hcalls } from "../src/arch/powerpc/papr/list.js";
import { rtasCalls } from "../src/arch/powerpc/papr/rtas/list.js";
import { registerIds } from "../src/arch/powerpc/processor/one-reg.js";
import * as registers from "../src/arch/powerpc/uapi/registers.js";
import { x86 } from "../src/arch/x86/arch.js";
import { type AnyX86Call, x86Calls } from "../src/arch/x86/calls/calls.js";
import { x86Signatures } from "../src/arch/x86/calls/signatures.js";
import { rows as x86Rows } from "../src/arch/x86/module/implementations.js";
import type { Signature } from "../src/base/takes.js";
import type { Arch } from "../src/kvm/arch.js";
import { checkCapability } from "../src/kvm/capability.js";
import * as constants from "../src/kvm/constants.js";
import { exitReasons } from "../src/kvm/uapi/exits.js";
import { caseFiles as powerpcCases } from "../test/api/all-cases.js";
import { caseFiles as x86Cases } from "../test/api/x86/all-cases.js";

export const target = new URL("../../docs/kvm-api.md", import.meta.url);

/** What is said of each architecture. */
interface Subject {
  readonly arch: Arch;
  readonly calls: Readonly<Record<string, AnyCall | AnyX86Call>>;
  readonly signatures: Readonly<Record<string, Readonly<Record<string, Signature>>>>;
  readonly cases: readonly (readonly [file: string, cases: object])[];
  /** Of its implementations. */
  readonly names: readonly string[];
  /** Extensions of other architectures, which it is not worth saying that it lacks. */
  readonly foreign: RegExp;
}

const nameOfRow = ({ name }: { readonly name: string }): string => name;
const powerpcSubject: Subject = {
  arch: powerpc,
  calls: powerpcCalls,
  signatures: powerpcSignatures,
  cases: powerpcCases,
  names: powerpcRows.map(nameOfRow),
  foreign: /^$/,
};
const x86Subject: Subject = {
  arch: x86,
  calls: x86Calls,
  signatures: x86Signatures,
  cases: x86Cases,
  names: x86Rows.map(nameOfRow),
  foreign: /_(PPC|SPAPR)_|XICS|XIVE/,
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const anchor = (file: string) => `[${file.replace(/^test\/api\//, "")}](../${file})`;

function callRows({ calls, signatures, cases, names }: Subject): string[][] {
  return Object.entries(calls).map(([name, call]) => {
    const errors = Object.entries(call.errors).map(([code, when]) => `${code}: ${when}`);
    const file = cases.find(([, one]) => name in one)?.[0];
    if (!file) throw new Error(`${name} has no test`);
    const takes = Object.keys(signatures[call.on]?.[call.method] ?? {});
    const method = `\`${call.on}.${call.method}(${takes.join(", ")})\``;
    return [name, method, call.request, call.cap ?? "", errors.join("; "), names.join(", "), anchor(file)];
  });
}

/** A constant's name by its value. */
function nameOf(prefix: string, value: number): string {
  const found = Object.entries(constants).find(([name, number]) => name.startsWith(prefix) && number === value);
  return found?.[0] ?? String(value);
}

function capabilityRows({ arch, names }: Subject): string[][] {
  return [...arch.capabilities]
    .sort((a, b) => a.cap - b.cap)
    .map((row) => {
      const answers = names.map((name) => String(checkCapability(arch, name, row.cap)));
      const enable = [row.enableVm ? "VM" : "", row.enableVcpu ? "vCPU" : ""].filter(Boolean).join(", ");
      return [nameOf("KVM_CAP_", row.cap), String(row.cap), ...answers, enable];
    });
}

/** Extensions that have a name here and answer 0. */
function absentCapabilities({ arch, foreign }: Subject): string[] {
  const present = new Set(arch.capabilities.map(({ cap }) => cap));
  return Object.entries(constants)
    .filter(([name, value]) => name.startsWith("KVM_CAP_") && typeof value === "number" && !present.has(value))
    .map(([name]) => name)
    .filter((name) => !foreign.test(name));
}

const callTable = (subject: Subject): string =>
  table(["call", "here", "request", "extension", "errno and when", "on", "tested by"], callRows(subject));
const capabilityTable = (subject: Subject): string =>
  table(["extension", "number", ...subject.names, "enabled on"], capabilityRows(subject));

/** Identifiers of a file of 32 or 64 registers are one row. */
function registerRows(): string[][] {
  const known = Object.entries(registers).filter(
    (entry): entry is [string, bigint] => typeof entry[1] === "bigint" && registerIds.includes(entry[1]),
  );
  const width = (id: bigint) => String(8 << Number((id & constants.KVM_REG_SIZE_MASK) >> constants.KVM_REG_SIZE_SHIFT));
  return known
    .sort(([, a], [, b]) => Number((a & 0xffffn) - (b & 0xffffn)))
    .map(([name, id]) => {
      const file = /^KVM_REG_PPC_(FPR|VR|VSR)0$/.test(name);
      return [file ? `${name} and the 31 after it` : name, `0x${(id & 0xffffn).toString(16)}`, width(id)];
    });
}

function powerpcPart(): string {
  return `## POWER

### Calls on POWER

${callTable(powerpcSubject)}

### Extensions on POWER

${capabilityTable(powerpcSubject)}

These answer 0: ${absentCapabilities(powerpcSubject).join(", ")}. So does every number that is not named.

### Registers (KVM_GET_ONE_REG)

${table(["register", "number", "bits"], registerRows())}

General registers, CR, LR, CTR, XER, pc and MSR go through KVM_GET_REGS, as in Linux.

### Devices (KVM_CREATE_DEVICE)

${powerpc.devices.map(({ type }) => nameOf("KVM_DEV_TYPE_", type)).join(", ")}. A VM has one interrupt controller, XICS or XIVE.

Attributes are Linux's; a structure is a little-endian number. Two groups of the XIVE stand for what user space maps there:
KVM_DEV_XIVE_GRP_PAGES places the pages at KVM_XIVE_TIMA_PAGE_OFFSET and KVM_XIVE_ESB_PAGE_OFFSET in the guest's memory
(64 KiB each, answered in the kernel side), and KVM_DEV_XIVE_GRP_ESB loads from a source's page and stores there
(\`kvmXiveEsb(source, offset)\`). Sources' PQ bits, which Linux's user space saves and restores by those pages, are among
what \`moveTo\` takes along.

### Hypercalls of the kernel side

KVM_CAP_PPC_ENABLE_HCALL turns each on or off; all others exit.

${table(
  ["hypercall", "number", "at first"],
  [...hcalls]
    .sort((a, b) => a.number - b.number)
    .map(({ number, name, enabled }) => [name, `0x${number.toString(16)}`, enabled ? "on" : "off"]),
)}

RTAS calls that KVM_PPC_RTAS_DEFINE_TOKEN knows: ${rtasCalls.map(({ name }) => name).join(", ")}.
`;
}

function x86Part(): string {
  return `## x86

Under kvm-intel and kvm-amd alike.

### Calls on x86

${callTable(x86Subject)}

### Extensions on x86

${capabilityTable(x86Subject)}

These answer 0: ${absentCapabilities(x86Subject).join(", ")}. So do those of POWER's, and every number that is not named.

Guests have no guests of their own and no system management mode: KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE say EINVAL,
KVM_SMI says ENOTTY, as Linux does where its extensions answer 0, and CPUID offers neither. KVM_CAP_X86_NOTIFY_VMEXIT is
for processors that a guest can keep from looking at events; these look at each slice's end, so that there is no exit
KVM_EXIT_NOTIFY.
`;
}

export function kvmApi(): string {
  return `# The KVM interface

<!-- Written by tools/kvm-api.ts from the code's tables; a test compares. -->

What \`src/kvm/uapi.ts\` and \`src/arch/*/uapi.ts\` offer, call by call, with Linux's names and numbers (type 0xae). Each
errno named has a test that provokes it, run on each implementation; \`test/api/hostile.test.ts\` and
\`test/api/x86/hostile.test.ts\` give every call arguments that nobody in their senses would give, and accept only what stands
here. Besides, every call that takes something answers EINVAL, and says which argument is wrong, if one is missing, of another
type than \`src/kvm/signatures.ts\` and \`src/arch/*/calls/signatures.ts\` have it, or an option that there is not; the tests
named \`arguments.test.ts\` beside those ask all of them.

## Exits of KVM_RUN

${exitReasons.map((reason) => `\`${reason}\``).join(", ")}.

${powerpcPart()}
${x86Part()}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === "--write") writeFileSync(target, kvmApi());
  else process.stdout.write(kvmApi());
}
