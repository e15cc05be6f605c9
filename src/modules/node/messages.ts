/** What kmod's programs say on stderr, in their words: `depmod: ERROR: ...`. Source: kmod, tools/log.c. */

/** Priorities of syslog(3). */
export const Priority = { critical: 2, error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

const names: Record<Priority, string> = { 2: "FATAL", 3: "ERROR", 4: "WARNING", 5: "NOTICE", 6: "INFO", 7: "DEBUG" };

/** The program cannot go on; what there is to say has been said. */
export class Fatal extends Error {
  override name = "Fatal";
}

export class Messages {
  readonly #program: string;
  readonly #write: (text: string) => void;
  /** Up to which priority something is said. */
  level: number;

  constructor(program: string, write: (text: string) => void, level: number = Priority.warning) {
    this.#program = program;
    this.#write = write;
    this.level = level;
  }

  say(priority: Priority, message: string): void {
    if (priority <= this.level) this.#write(`${this.#program}: ${names[priority]}: ${message}\n`);
  }

  error(message: string): void {
    this.say(Priority.error, message);
  }

  warning(message: string): void {
    this.say(Priority.warning, message);
  }

  info(message: string): void {
    this.say(Priority.info, message);
  }

  /** Says it and returns what ends the program: `throw messages.fatal(...)`. */
  fatal(message: string): Fatal {
    this.say(Priority.critical, message);
    return new Fatal(message);
  }
}

/** strerror(3)'s words for what can go wrong with files and modules; another error's own words. */
export function errorText(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return (
    (typeof code === "string" ? texts[code] : undefined) ?? (error instanceof Error ? error.message : String(error))
  );
}

const texts: Readonly<Record<string, string>> = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  EIO: "Input/output error",
  ENOEXEC: "Exec format error",
  ENOMEM: "Cannot allocate memory",
  EACCES: "Permission denied",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  EINVAL: "Invalid argument",
  ENFILE: "Too many open files in system",
  EMFILE: "Too many open files",
  EFBIG: "File too large",
  ENOSPC: "No space left on device",
  EROFS: "Read-only file system",
  EDQUOT: "Disk quota exceeded",
  ENAMETOOLONG: "File name too long",
  ELOOP: "Too many levels of symbolic links",
};
