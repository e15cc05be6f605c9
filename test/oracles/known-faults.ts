/**
 * Every known fault of an oracle, gathered from the tables that the tests go by: what is wrong, how a test recognises it,
 * and who judges instead.
 */
import { qemuFaults } from "../differential/qemu-faults.js";
import { supervisorFaults } from "../differential/supervisor-exceptions.js";
import { generalFaults } from "../engines/x86/general.js";
import { supervisorFaults as supervisorFaultsX86 } from "../engines/x86/supervisor.js";
import { objdumpDepartures } from "../isa/departures.js";
import { departures } from "../selftest/departures.js";
import type { Judged, OracleName } from "./oracles.js";

export interface KnownFault extends Judged {
  readonly oracle: OracleName;
  readonly fault: string;
  readonly recognised: string;
}

export function knownFaults(): KnownFault[] {
  return [
    ...qemuFaults.map(({ mnemonics, when, ignore, why, judge }) => {
      const corrects = typeof ignore === "object" && "correct" in ignore;
      const more = corrects ? ", by its wrong answer" : when ? ", by the case's operands and state" : "";
      const recognised = `by the instruction${more}: ${mnemonics.source}`;
      return { oracle: "qemuLittleEndian" as const, fault: why, recognised, judge };
    }),
    ...supervisorFaults.map(({ kinds, when, why, judge }) => ({
      oracle: "qemuSystem" as const,
      fault: why,
      recognised: [kinds && `by the instruction: ${kinds.source}`, when && "by what came of it"]
        .filter(Boolean)
        .join(", "),
      judge,
    })),
    ...[...supervisorFaultsX86, ...generalFaults].map((one) => ({ oracle: "qemuX86" as const, ...one })),
    ...Object.entries(departures).map(([name, fault]) => ({
      oracle: "qemuSystem" as const,
      fault,
      recognised: "by the test of the self-test",
      judge: `selftest: ${name}`,
    })),
    ...Object.entries(objdumpDepartures).map(([mnemonic, fault]) => ({
      oracle: "objdump" as const,
      fault,
      recognised: `by the mnemonic ${mnemonic}`,
      judge: "test/isa/disassembler.test.ts: every instruction disassembles as objdump prints it, and assembles back",
    })),
    {
      oracle: "kmod",
      fault: "before 33 it knows no weak dependencies",
      recognised: "by the section's heading, which is then left out",
      judge: "src/modules/graph.test.ts: aliases, soft and weak dependencies keep the modules' own order",
    },
  ];
}
