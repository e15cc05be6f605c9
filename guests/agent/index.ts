/**
 * The agent that a guest runs for `vm.exec` and all else that unikvm wants of it, and what starts it in a guest that brings
 * nothing of unikvm's: a program for each architecture.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type AgentArchitecture, archiveOfAgent, archiveOfStart, type GuestProgram } from "./archive.js";

export {
  type AgentArchitecture,
  agentArchitectures,
  agentCommandLine,
  agentPath,
  type GuestProgram,
  guestPrograms,
  startPath,
} from "./archive.js";

/** Its file: the build puts it beside this one, in the package and in bundles. */
export const agentFile = (architecture: AgentArchitecture, which: GuestProgram = "agent"): string =>
  fileURLToPath(new URL(`./unikvm-${which}.${architecture}`, import.meta.url));

/** An archive that brings it, to be appended to an initramfs. */
export const agentArchive = (architecture: AgentArchitecture): Uint8Array =>
  archiveOfAgent(readFileSync(agentFile(architecture)));

/** The same, and what starts it: after these modules (their paths in the guest, in order), on the root of a disk (as "vda"), if one is named. */
export const startArchive = (architecture: AgentArchitecture, modules: readonly string[], root?: string): Uint8Array =>
  Buffer.concat([
    agentArchive(architecture),
    archiveOfStart(readFileSync(agentFile(architecture, "start")), modules, root),
  ]);
