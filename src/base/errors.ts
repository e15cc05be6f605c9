/** Errors of the API: Linux's errno, by name and number, with a sentence for a person. */

/** Errno numbers as Linux has them on the architectures of this project (asm-generic/errno-base.h, errno.h). */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOTTY: 25,
  ENOSPC: 28,
  EDOM: 33,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ESTALE: 116,
} as const;

export type ErrnoName = keyof typeof Errno;

/** A misuse of the API, or something the platform refused: what Linux would answer, and a sentence saying what to do. */
export class KvmError extends Error {
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
