/** How the agent is brought into a guest. Runs anywhere. */
import { cpio } from "../cpio.js";

/** Architectures for which there is one, as uname(1) calls them. */
export const agentArchitectures = ["ppc64le"] as const;
export type AgentArchitecture = (typeof agentArchitectures)[number];

/** Where it lies in a guest that is booted with it. */
export const agentPath = "/unikvm-agent";

/** An archive that brings it, to be appended to an initramfs. */
export const archiveOfAgent = (program: Uint8Array): Uint8Array =>
  cpio([{ path: agentPath.slice(1), type: "file", mode: 0o755, data: program }]);
