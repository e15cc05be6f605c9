/** Makes a snapshot of a guest that this process runs, when a command asks for it. */
import { statSync } from "node:fs";
import { thisPackage } from "../base/package.js";
import type { OpenDisks } from "../node/disks.js";
import { describeHardware, type Hardware, type HostParts } from "../node/hardware.js";
import type { Run } from "../vmm/core/run.js";
import { nodePlatform } from "../vmm/snapshot/node/platform.js";
import { saveSnapshot } from "../vmm/snapshot/node/snapshot-file.js";
import { capture } from "../vmm/snapshot/snapshot.js";
import type { SaveSnapshot } from "./control/server.js";
import type { GuestAgent } from "./guest-agent.js";

/** The guest runs on while the snapshot is written. */
export const savingRun =
  (
    run: Run,
    choices: Pick<Hardware, "cpus" | "own" | "models">,
    parts: HostParts,
    disks: Pick<OpenDisks, "images">,
    agent: Pick<GuestAgent, "save"> | undefined,
  ): SaveSnapshot =>
  async (file, packing, signal) => {
    const { snapshot, stopped, also } = await capture(run, {
      images: () => disks.images(),
      platform: nodePlatform,
      also: () => agent?.save(),
    });
    // Files below disks are only read: what they are now they were then.
    const hardware = {
      ...(await describeHardware(choices, parts)),
      console: "terminal",
      ...(also ? { agent: also } : {}),
    };
    const digest = await saveSnapshot(
      file,
      { ...snapshot, hardware },
      { packing, signal, by: `unikvm ${thisPackage.version}` },
    );
    return { digest, size: statSync(file).size, stopped };
  };
