/** Errors of the guest's system by number, with the words that node:fs has for them. Source: errno(3). */
import { VmError } from "./error.js";

const errors: Readonly<Record<number, readonly [name: string, words: string]>> = {
  1: ["EPERM", "operation not permitted"],
  2: ["ENOENT", "no such file or directory"],
  4: ["EINTR", "interrupted system call"],
  5: ["EIO", "i/o error"],
  6: ["ENXIO", "no such device or address"],
  7: ["E2BIG", "argument list too long"],
  8: ["ENOEXEC", "exec format error"],
  9: ["EBADF", "bad file descriptor"],
  11: ["EAGAIN", "resource temporarily unavailable"],
  12: ["ENOMEM", "not enough memory"],
  13: ["EACCES", "permission denied"],
  14: ["EFAULT", "bad address"],
  16: ["EBUSY", "resource busy or locked"],
  17: ["EEXIST", "file already exists"],
  18: ["EXDEV", "cross-device link not permitted"],
  19: ["ENODEV", "no such device"],
  20: ["ENOTDIR", "not a directory"],
  21: ["EISDIR", "illegal operation on a directory"],
  22: ["EINVAL", "invalid argument"],
  23: ["ENFILE", "file table overflow"],
  24: ["EMFILE", "too many open files"],
  25: ["ENOTTY", "inappropriate ioctl for device"],
  26: ["ETXTBSY", "text file is busy"],
  27: ["EFBIG", "file too large"],
  28: ["ENOSPC", "no space left on device"],
  29: ["ESPIPE", "invalid seek"],
  30: ["EROFS", "read-only file system"],
  31: ["EMLINK", "too many links"],
  32: ["EPIPE", "broken pipe"],
  36: ["ENAMETOOLONG", "name too long"],
  38: ["ENOSYS", "function not implemented"],
  39: ["ENOTEMPTY", "directory not empty"],
  40: ["ELOOP", "too many symbolic links encountered"],
  74: ["EBADMSG", "bad message"],
  95: ["EOPNOTSUPP", "operation not supported"],
  122: ["EDQUOT", "disk quota exceeded"],
};

export const errnoName = (errno: number): string => errors[errno]?.[0] ?? `E${errno}`;
export const errnoWords = (errno: number): string => errors[errno]?.[1] ?? `error ${errno}`;

/** As node:fs says it: "ENOENT: no such file or directory, stat '/x'". */
export const systemError = (errno: number, what: string): VmError =>
  new VmError(errnoName(errno), `${errnoWords(errno)}, ${what}`, { errno });
