/**
 * Something the user side could not do, said in one sentence that names what was wrong and what to do about it.
 * The command line prints `message` alone and ends with status 3; a stack trace would help nobody.
 */
export class VmmError extends Error {
  /** "VmmError". */
  override readonly name = "VmmError";
}

/** What was chosen cannot be had: a number out of bounds, a name that there is not. `createVm` says EINVAL. */
export class ChoiceError extends VmmError {
  readonly code = "EINVAL";
}

/** What was thrown, as plain data; the stack is for who debugs unikvm itself. */
export function describeError(error: unknown): { readonly message: string; readonly stack?: string | undefined } {
  return error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) };
}

/** A number of bytes for a sentence, rounded up. */
export const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1048576)} MiB`;
