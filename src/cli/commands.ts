/** Every command, in the order of the help. A command's file is loaded only when it is used. */
import type { CommandModule } from "./command.js";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** How it ends when it is called wrongly, if the program it stands for ends otherwise than unikvm does. */
  readonly usageStatus?: number;
  /** How it ends when its output is lost, or what nobody has thought of goes wrong. Default: as all of unikvm's. */
  readonly failedStatus?: number;
}

export const commands: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "boot a guest with its console on this terminal",
    load: () => import("./commands/run.js"),
  },
  {
    name: "exec",
    summary: "run a command in a Linux VM of its own",
    load: () => import("./commands/exec.js"),
    usageStatus: 125,
    failedStatus: 125,
  },
  {
    name: "shell",
    summary: "give a terminal in a Linux VM of its own",
    load: () => import("./commands/shell.js"),
    usageStatus: 125,
    failedStatus: 125,
  },
  {
    name: "cp",
    summary: "copy files and folders into a running guest, or out of it",
    load: () => import("./commands/cp.js"),
  },
  {
    name: "guest",
    summary: "fetch, list, remove, export or import guests that can be booted without bringing a kernel",
    load: () => import("./commands/guest.js"),
  },
  {
    name: "disk",
    summary: "create a guest's disk, or say what one is",
    load: () => import("./commands/disk.js"),
  },
  {
    name: "snapshot",
    summary: "save a guest that runs, and restore it; list, describe and remove what was saved",
    load: () => import("./commands/snapshot.js"),
  },
  {
    name: "doctor",
    summary: "show what this platform allows and what keeps unikvm from working",
    load: () => import("./commands/doctor.js"),
  },
  {
    name: "completion",
    summary: "print a script by which a shell completes commands and options",
    load: () => import("./commands/completion.js"),
  },
  {
    name: "selftest",
    summary: "prove the installation with an embedded guest, on each implementation",
    load: () => import("./commands/selftest.js"),
  },
  {
    name: "build",
    summary: "bundle what a .config asks for, for Node.js and for pages",
    load: () => import("./commands/build.js"),
  },
  {
    name: "depmod",
    summary: "write or print the files that describe a tree of kernel modules",
    load: () => import("./commands/depmod.js"),
    usageStatus: 1,
  },
  {
    name: "lsmod",
    summary: "list the modules of the running instance",
    load: () => import("./commands/lsmod.js"),
    usageStatus: 1,
  },
  {
    name: "modinfo",
    summary: "show what a module says of itself",
    load: () => import("./commands/modinfo.js"),
    usageStatus: 1,
  },
  {
    name: "modprobe",
    summary: "load a module with all it needs, or remove it; or tell what would be loaded",
    load: () => import("./commands/modprobe.js"),
    usageStatus: 1,
  },
  {
    name: "insmod",
    summary: "load one module's file into the running instance",
    load: () => import("./commands/insmod.js"),
    usageStatus: 1,
  },
  {
    name: "rmmod",
    summary: "remove modules from the running instance",
    load: () => import("./commands/rmmod.js"),
    usageStatus: 1,
  },
];
