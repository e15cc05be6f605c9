/** How the agent is brought into a guest. Runs anywhere. */
import { type GuestArchitecture, quietly } from "../consoles.js";
import { cpio } from "../cpio.js";

/** Architectures for which there is one, as uname(1) calls them. */
export const agentArchitectures = ["ppc64le", "x86_64", "i386"] as const;
export type AgentArchitecture = (typeof agentArchitectures)[number];

/** What runs in guests: the agent, and what starts it in a guest that brings nothing of unikvm's. */
export const guestPrograms = ["agent", "start"] as const;
export type GuestProgram = (typeof guestPrograms)[number];

/** Where it lies in a guest that is booted with it. */
export const agentPath = "/unikvm-agent";
/** Where that lies which starts it. */
export const startPath = "/unikvm-start";
/** What it is told to do before (start.c). */
const startList = "/unikvm-start.list";

/**
 * More for the command line of a default guest: to load these modules and start the agent. Debian's kernel asks all its
 * security modules about each file and program: those that do nothing without a policy, of which such a guest has none, take a tenth
 * of the time in which a program begins and ends.
 */
export const agentCommandLine = (guest: GuestArchitecture, modules: readonly string[]): string =>
  `${quietly[guest]} lsm=landlock,lockdown,yama unikvm.modules=${modules.join(",")} unikvm.run=${agentPath}`;

/** An archive that brings it, to be appended to an initramfs. */
export const archiveOfAgent = (program: Uint8Array): Uint8Array =>
  cpio([{ path: agentPath.slice(1), type: "file", mode: 0o755, data: program }]);

/** An archive that brings what starts it, told to load these modules (their paths in the guest) and to go to a disk's root, if one is named. */
export const archiveOfStart = (program: Uint8Array, modules: readonly string[], root?: string): Uint8Array =>
  cpio([
    { path: startPath.slice(1), type: "file", mode: 0o755, data: program },
    {
      path: startList.slice(1),
      type: "file",
      data: [...modules.map((path) => `load ${path}\n`), ...(root === undefined ? [] : [`root ${root}\n`])].join(""),
    },
  ]);
