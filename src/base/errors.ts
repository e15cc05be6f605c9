/** Errors of the API: Linux's errno, by name and number, with a sentence for a person. */

/** Errno numbers as Linux has them on the architectures of this project (asm-generic/errno-base.h, errno.h). */
export const Errno = {
  /** Operation not permitted. */
  EPERM: 1,
  /** There is no such thing. */
  ENOENT: 2,
  /** Interrupted. */
  EINTR: 4,
  /** Input or output failed. */
  EIO: 5,
  /** No such device or address. */
  ENXIO: 6,
  /** Too much was given. */
  E2BIG: 7,
  /** It has not the form of what is to be run or loaded. */
  ENOEXEC: 8,
  /** It is closed, or for another use. */
  EBADF: 9,
  /** Try again. */
  EAGAIN: 11,
  /** No memory, or no address space. */
  ENOMEM: 12,
  /** Access is denied. */
  EACCES: 13,
  /** An address outside memory. */
  EFAULT: 14,
  /** It is in use. */
  EBUSY: 16,
  /** There is one already. */
  EEXIST: 17,
  /** There is no such device, or it has gone. */
  ENODEV: 19,
  /** A wrong argument. */
  EINVAL: 22,
  /** It has no such call. */
  ENOTTY: 25,
  /** There is no more room. */
  ENOSPC: 28,
  /** Beyond what the call is defined for. */
  EDOM: 33,
  /** It cannot be done here. */
  EOPNOTSUPP: 95,
  /** It took too long. */
  ETIMEDOUT: 110,
  /** It is of before the VM moved. */
  ESTALE: 116,
} as const;

export type ErrnoName = keyof typeof Errno;

/** A misuse of the API, or something the platform refused: what Linux would answer, and a sentence saying what to do. */
export class KvmError extends Error {
  /** Also of another copy of this file: of another version of the package, or of a bundle. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return (
      value instanceof Error && value.name === "KvmError" && typeof (value as Partial<KvmError>).errno === "number"
    );
  }

  /** "KvmError". */
  override readonly name = "KvmError";
  /** "EINVAL" and so on. */
  readonly code: ErrnoName;
  /** The positive number, as in errno. */
  readonly errno: number;

  constructor(code: ErrnoName, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.code = code;
    this.errno = Errno[code];
  }
}

/** The sentence of anything that was thrown, without a stack trace. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
