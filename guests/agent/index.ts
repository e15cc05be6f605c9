/** The agent that a guest runs for `vm.exec` and all else that unikvm wants of it: a program for each architecture. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type AgentArchitecture, archiveOfAgent } from "./archive.js";

export { type AgentArchitecture, agentArchitectures, agentPath } from "./archive.js";

/** Its file: the build puts it beside this one, in the package and in bundles. */
export const agentFile = (architecture: AgentArchitecture): string =>
  fileURLToPath(new URL(`./unikvm-agent.${architecture}`, import.meta.url));

/** An archive that brings it, to be appended to an initramfs. */
export const agentArchive = (architecture: AgentArchitecture): Uint8Array =>
  archiveOfAgent(readFileSync(agentFile(architecture)));
