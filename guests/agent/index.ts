/** The agent that a guest runs for `vm.exec` and all else that unikvm wants of it: a program for each architecture. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type CpioEntry, cpio } from "../cpio.js";

/** Architectures for which there is one, as uname(1) calls them. */
export const agentArchitectures = ["ppc64le"] as const;
export type AgentArchitecture = (typeof agentArchitectures)[number];

/** Where it lies in a guest that is booted with it. */
export const agentPath = "/unikvm-agent";

/** Its file, beside its source. */
export const agentFile = (architecture: AgentArchitecture): string =>
  fileURLToPath(new URL(`../../../guests/agent/unikvm-agent.${architecture}`, import.meta.url));

/** An archive that brings it, to be appended to an initramfs. */
export function agentArchive(architecture: AgentArchitecture): Uint8Array {
  const entry: CpioEntry = {
    path: agentPath.slice(1),
    type: "file",
    mode: 0o755,
    data: readFileSync(agentFile(architecture)),
  };
  return cpio([entry]);
}
