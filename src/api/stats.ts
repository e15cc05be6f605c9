/** What the guest's kernel says of itself, in files of /proc. The guest may say what it likes: it becomes numbers, or 0. */
import type { GuestStats } from "./types.js";

/** Ticks a second, as /proc has them on all of Linux's architectures. Source: proc(5), time(7). */
const ticks = 100;

const numberAfter = (text: string, name: RegExp): number => {
  const value = Number(name.exec(text)?.[1] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
};

/** `read` gives a file's bytes; the guest may say anything in them. */
export async function guestStats(read: (path: string) => Promise<Uint8Array>): Promise<GuestStats> {
  const [memory, processors, load] = await Promise.all(
    ["/proc/meminfo", "/proc/stat", "/proc/loadavg"].map(async (path) => new TextDecoder().decode(await read(path))),
  );
  const kibibytes = (name: string): number =>
    1024 * numberAfter(memory ?? "", RegExp(`^${name}: +(\\d{1,15}) kB$`, "m"));
  // user nice system idle iowait irq softirq steal …
  const times =
    /^cpu {1,8}([\d ]{1,400})$/m
      .exec(processors ?? "")?.[1]
      ?.split(" ")
      .map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = times;
  return {
    memory: kibibytes("MemTotal"),
    available: kibibytes("MemAvailable"),
    cpu: ((user + nice + system + irq + softirq) / ticks) * 1000,
    processes: numberAfter(load ?? "", /^\S+ \S+ \S+ \d{1,9}\/(\d{1,9}) /),
  };
}
