/** A guest that was booted and now runs rows when it is told to; it idles in between, so that several can take turns. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Images } from "./architectures.js";
import type { Engine } from "./engines.js";
import { cpuSeconds, residentBeside } from "./process.js";
import { type Line, type Output, parseLine } from "./protocol.js";

/** One run of a row; times in seconds. */
export interface Run {
  /** By the guest's clock. */
  readonly guest: number;
  /** By the host's, between the lines on the console. */
  readonly host: number;
  /** What the engine's process used of the processors meanwhile, all its threads; NaN where there is no /proc. */
  readonly cpu: number;
  readonly output: Output;
  /** When the program was done with each step, by the guest's clock; empty if it does not say. */
  readonly steps: readonly number[];
}

/** The guest did not do what it should: it ended, took too long, or the program failed. */
export class RunFailed extends Error {
  override name = "RunFailed";
}

/** What is kept of the console to explain a failure, in characters. */
const kept = 2000;
/** What `unikvm run --stats` says at its end of the longest that translation held up the guest. */
const longestStop = /\blongestTranslationMicroseconds +(\d+)/g;
/** The longest line that can be the agent's. */
const longestLine = 8192;

/** A line, and when it was heard: milliseconds of the host's clock, seconds of the process's CPU time. */
interface Heard<L extends Line = Line> {
  readonly line: L;
  readonly at: number;
  readonly cpu: number;
}

export class Session {
  readonly #child: ChildProcess;
  readonly #memory: number;
  readonly #timeout: number;
  /** Who waits for a line, and what came before somebody did. */
  #wanted: ((line: Line | RunFailed) => void) | undefined;
  readonly #lines: Heard[] = [];
  #ended: RunFailed | undefined;
  #tail = "";
  #longestStop = Number.NaN;
  #partial = "";
  #count = 0;

  private constructor(child: ChildProcess, memory: number, timeout: number) {
    this.#child = child;
    this.#memory = memory;
    this.#timeout = timeout;
    child.stdout?.setEncoding("latin1").on("data", (text: string) => this.#take(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      const whole = this.#tail + text;
      for (const [, stop] of whole.matchAll(longestStop)) this.#longestStop = Number(stop) / 1000;
      this.#tail = whole.slice(-kept);
    });
    child.stdin?.on("error", () => undefined); // Its end is told by the process's.
    child.on("error", (error) => this.#end(error.message));
    child.on("close", (status, signal) => this.#end(`the process ended with ${signal ?? status}`));
  }

  /** Boots; `timeout` in seconds is for this and for each row. Rejects with RunFailed. */
  static async start(engine: Engine, images: Images, timeout: number): Promise<{ session: Session; boot: Run }> {
    const { program, args } = engine.command(images);
    const begin = performance.now();
    const session = new Session(spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] }), images.memory, timeout);
    try {
      const { line, at, cpu } = await session.#next("ready");
      const output = { bytes: 0, hash: "" };
      return { session, boot: { guest: line.uptime, host: (at - begin) / 1000, cpu, output, steps: [] } };
    } catch (error) {
      session.kill();
      throw error;
    }
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** What the process has resident beside the guest's memory, MB; NaN where that is not known. */
  get besideMemory(): number {
    return residentBeside(this.#child.pid, this.#memory);
  }

  /** The longest that the guest stood still for translation, ms; known at the end, of an engine that translates: else NaN. */
  get longestStop(): number {
    return this.#longestStop;
  }

  /** Rejects with RunFailed; then the session may have ended (`alive`). */
  async run(command: string, what: "run" | "prepare" = "run"): Promise<Run> {
    const id = String(++this.#count);
    if (this.#ended) throw this.#ended;
    this.#child.stdin?.write(`${what} ${id} ${command}\n`);
    const begin = await this.#next("begin");
    const errors: string[] = [];
    const end = await this.#next("end", errors);
    const { line } = end;
    if (line.id !== id || begin.line.id !== id) {
      this.kill();
      throw new RunFailed(`the agent answered ${line.id} to ${id}`);
    }
    if (line.status !== 0) {
      const why = errors.length > 0 ? `:\n${errors.join("\n")}` : "";
      throw new RunFailed(`${command} ended with status ${line.status}${why}`);
    }
    return {
      guest: line.seconds,
      host: (end.at - begin.at) / 1000,
      cpu: end.cpu - begin.cpu,
      output: line.output,
      steps: line.steps,
    };
  }

  /** Has the guest power off; kills it if it does not. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    this.#child.stdin?.write("end\n");
    const timer = setTimeout(() => this.kill(), 30_000);
    await closed;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
    this.#end("it was killed");
  }

  #end(why: string): void {
    this.#ended ??= new RunFailed(`${why}; the last it said:\n${this.#tail.trim()}`);
    this.#wanted?.(this.#ended);
  }

  #take(text: string): void {
    const at = performance.now();
    this.#tail = (this.#tail + text).slice(-kept);
    const lines = (this.#partial + text).split("\n");
    this.#partial = (lines.pop() ?? "").slice(-longestLine);
    for (const one of lines) {
      const line = parseLine(one);
      if (!line) continue;
      this.#lines.push({ line, at, cpu: cpuSeconds(this.#child.pid) });
      this.#wanted?.(line);
    }
  }

  /** Waits for a line of this kind; what the program said of errors is put into `errors`. */
  async #next<K extends Line["kind"]>(kind: K, errors: string[] = []): Promise<Heard<Extract<Line, { kind: K }>>> {
    const until = performance.now() + this.#timeout * 1000;
    for (;;) {
      const next = this.#lines.shift();
      if (next?.line.kind === kind) return next as Heard<Extract<Line, { kind: K }>>;
      if (next?.line.kind === "error") errors.push(next.line.text);
      else if (next?.line.kind === "failed") throw new RunFailed(`the agent failed: ${next.line.text}`);
      if (next) continue;
      if (this.#ended) throw this.#ended;
      await this.#somethingUntil(until);
    }
  }

  #somethingUntil(until: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#end(`nothing for ${this.#timeout} s`);
        this.kill();
      }, until - performance.now());
      this.#wanted = () => {
        clearTimeout(timer);
        this.#wanted = undefined;
        resolve();
      };
    });
  }
}
