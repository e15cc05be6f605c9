// @ts-check
/**
 * Programs that must not outlive us: when we end, even by SIGKILL, or when told to, they end with all that they have
 * started. Plain JavaScript, because the set-up of a fresh checkout uses it before anything is compiled.
 */
import { spawn } from "node:child_process";

/**
 * Runs a program while its stdin, of which we have the other end, is open; then ends the group of processes. What the
 * system says of a missing program is the shell's: status 127.
 */
const supervise = `
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(read -r nothing <&3; kill -TERM 0) >/dev/null 2>&1 &
wait "$program"
`;

/** Who does not end when asked to is ended by force after this, ms. */
const patience = 5000;

/** Statuses of the shell: the program is not there, or cannot be run. */
export const notFound = 127;
export const notRunnable = 126;

/**
 * Starts a program that nothing can be typed to. Where there is no /bin/sh (Windows), only told ends reach it.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, output: "pipe" | number }} options `output`: for stdout and stderr
 * @returns the process, and what ends it with all that it has started
 */
export function startChild(program, args, { cwd, env, output }) {
  const windows = process.platform === "win32";
  const child = windows
    ? spawn(program, args, { cwd, env, stdio: ["ignore", output, output], shell: true }) // npm is a .cmd there
    : spawn("/bin/sh", ["-c", supervise, "sh", program, ...args], {
        cwd,
        env,
        stdio: ["pipe", output, output],
        detached: true,
      });
  const end = () => {
    child.stdin?.destroy();
    if (windows) child.kill();
    setTimeout(() => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      try {
        process.kill(windows ? child.pid : -child.pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    }, patience).unref();
  };
  child.stdin?.on("error", () => {});
  // What it has started and left behind must not go on.
  child.on("exit", () => child.stdin?.destroy());
  return { child, end };
}
