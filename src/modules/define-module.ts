/** How a module is declared. Declaring one does nothing; a loader brings it up. Source: include/linux/module.h. */

export type ParameterType = "bool" | "uint" | "charp";
export type ParameterValue = boolean | number | string;

export interface Parameter {
  readonly type: ParameterType;
  readonly default: ParameterValue;
  readonly description: string;
}

/** What a module's init is given. */
export interface ModuleContext {
  /** The parameter's value: the caller's, or the default. */
  parameter<T extends ParameterValue>(name: string): T;
  /** Says in the log that something happened. */
  log(level: "error" | "warning" | "info", message: string): void;
  /**
   * Names the next thing that init does and may fail in. What it acquires is given back by `undo`: in reverse order if a
   * later step fails, or when the module is removed.
   */
  step<T>(name: string, act: () => T | Promise<T>, undo?: (value: T) => void): Promise<T>;
  /** Part of init that may fail by itself: if `act` fails, what its steps acquired is given back and the error thrown. */
  attempt<T>(act: () => Promise<T>): Promise<T>;
  /** Takes a reference on this module; false if it is leaving. */
  tryGet(): boolean;
  /** Gives a reference back. */
  put(): void;
  /** Whether the module is live: its init has ended and its exit has not begun. */
  live(): boolean;
  /** What a module this one depends on offers. */
  offer<T>(module: string): T;
}

export interface ModuleDefinition<Offer = unknown> {
  readonly name: string;
  readonly description: string;
  readonly license: string;
  readonly aliases?: readonly string[];
  readonly depends?: readonly string[];
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Brings it up; what it returns is offered to others once the module is live. Throws KvmError to refuse. */
  init(context: ModuleContext): Promise<Offer> | Offer;
}

export function defineModule<Offer>(definition: ModuleDefinition<Offer>): ModuleDefinition<Offer> {
  return definition;
}
