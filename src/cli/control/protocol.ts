/**
 * What the commands about modules and snapshots and a running `unikvm run` say to each other: one request and one answer a connection,
 * each a line of JSON. The other end is only trusted to be the same user; what it says is checked.
 */
import { Errno, type ErrnoName } from "../../base/errors.js";
import { type Packing, packings } from "../../vmm/snapshot/packing.js";

/** Longest request or answer, bytes. */
export const lineLimit = 1 << 20;
/** How long either end waits for the other, ms. */
export const patience = 5000;

export interface Parameters {
  readonly [name: string]: string;
}

export type Request =
  | { readonly command: "lsmod" }
  /** What follows the answer are frames, as to the agent in the guest. */
  | { readonly command: "agent" }
  | { readonly command: "modprobe"; readonly name: string; readonly parameters: Parameters; readonly force: boolean }
  | { readonly command: "remove"; readonly name: string; readonly force: boolean }
  | { readonly command: "rmmod"; readonly name: string; readonly force: boolean }
  | { readonly command: "snapshot"; readonly file: string; readonly packing: Packing }
  | { readonly command: "insmod"; readonly file: string; readonly parameters: Parameters; readonly force: boolean };

export interface ModuleLine {
  readonly name: string;
  readonly size: number;
  readonly references: number;
  readonly users: readonly string[];
}

export interface Failure {
  readonly code: ErrnoName;
  readonly message: string;
}

export interface Action {
  readonly kind: "insmod" | "rmmod";
  readonly name: string;
}

export interface Answer {
  /** What is loaded after the request, the last one first. */
  readonly modules: readonly ModuleLine[];
  /** What was done, in order. */
  readonly actions: readonly Action[];
  /** What the kernel side printed meanwhile. */
  readonly log: readonly string[];
  readonly failure?: Failure;
  /** Of the snapshot that was made. */
  readonly snapshot?: SnapshotLine;
}

export interface SnapshotLine {
  readonly digest: string;
  /** Of the file, bytes; and how long the guest stood still, ms. */
  readonly size: number;
  readonly stopped: number;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const areTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((text) => typeof text === "string");

const isParameters = (value: unknown): value is Parameters =>
  isRecord(value) && Object.values(value).every((text) => typeof text === "string");

/** The request that a line holds, or undefined. */
export function parseRequest(line: string): Request | undefined {
  const value = parse(line);
  if (!isRecord(value)) return undefined;
  const { command, name, file, parameters, force } = value;
  switch (command) {
    case "agent":
    case "lsmod":
      return { command };
    case "remove":
    case "rmmod":
      return typeof name === "string" && typeof force === "boolean" ? { command, name, force } : undefined;
    case "modprobe":
      if (typeof name !== "string" || typeof force !== "boolean" || !isParameters(parameters)) return undefined;
      return { command, name, parameters, force };
    case "snapshot": {
      const packing = packings.find((known) => known === value["packing"]);
      return typeof file === "string" && packing ? { command, file, packing } : undefined;
    }
    case "insmod":
      if (typeof file !== "string" || typeof force !== "boolean" || !isParameters(parameters)) return undefined;
      return { command, file, parameters, force };
    default:
      return undefined;
  }
}

const isModuleLine = (row: unknown): row is ModuleLine =>
  isRecord(row) &&
  typeof row["name"] === "string" &&
  typeof row["size"] === "number" &&
  typeof row["references"] === "number" &&
  areTexts(row["users"]);

const isAction = (row: unknown): row is Action =>
  isRecord(row) && (row["kind"] === "insmod" || row["kind"] === "rmmod") && typeof row["name"] === "string";

const isFailure = (value: unknown): value is Failure =>
  isRecord(value) &&
  typeof value["code"] === "string" &&
  Object.hasOwn(Errno, value["code"]) &&
  typeof value["message"] === "string";

const isSnapshotLine = (value: unknown): value is SnapshotLine =>
  isRecord(value) &&
  typeof value["digest"] === "string" &&
  typeof value["size"] === "number" &&
  typeof value["stopped"] === "number";

/** The answer that a line holds, or undefined. */
export function parseAnswer(line: string): Answer | undefined {
  const value = parse(line);
  if (!isRecord(value)) return undefined;
  const { modules, actions, log, failure, snapshot } = value;
  if (!Array.isArray(modules) || !modules.every(isModuleLine)) return undefined;
  if (!Array.isArray(actions) || !actions.every(isAction) || !areTexts(log)) return undefined;
  if (failure !== undefined && !isFailure(failure)) return undefined;
  if (snapshot !== undefined && !isSnapshotLine(snapshot)) return undefined;
  return { modules, actions, log, ...(failure && { failure }), ...(snapshot && { snapshot }) };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
