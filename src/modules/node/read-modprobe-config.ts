/** modprobe's configuration from its folders, the tree and the kernel's command line. Source: modprobe.d(5). */
import { readFileSync } from "node:fs";
import { ModprobeConfig } from "../modprobe-config.js";
import { configFiles, configLines, wordsOf } from "./config-lines.js";
import { errorText, type Messages } from "./messages.js";

export const defaultModprobeConfig = [
  "/etc/modprobe.d",
  "/run/modprobe.d",
  "/usr/local/lib/modprobe.d",
  "/lib/modprobe.d",
];

/** Reads folders or files; the tree's modules.softdep stands among them by its name. */
export function readModprobeConfig(paths: readonly string[], folder: string, messages: Messages): ModprobeConfig {
  const config = new ModprobeConfig();
  const files = configFiles(paths, { endings: [".conf", ".alias"], messages, first: `${folder}/modules.softdep` });
  for (const file of files) {
    try {
      for (const { text, number } of configLines(file)) {
        if (config.add(text)) continue;
        const [command] = wordsOf(text);
        if (command === "include" || command === "config") {
          messages.error(`${file}: command ${command} is deprecated and not parsed anymore`);
        } else {
          messages.error(`${file} line ${number}: ignoring bad line starting with '${command}'`);
        }
      }
    } catch (error) {
      // A tree without soft dependencies is none of modprobe's business.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") messages.error(`${file}: ${errorText(error)}`);
    }
  }
  try {
    config.addKernelCommandLine(readFileSync("/proc/cmdline", "utf8"));
  } catch {
    // No Linux, no command line.
  }
  return config;
}
