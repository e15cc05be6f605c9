/// <reference lib="esnext.disposable" preserve="true" />
/** The types of a VM as programs use it: the same in Node.js and in a page. */

import type { SnapshotInfo } from "../vmm/snapshot/format.js";

export type { SnapshotInfo } from "../vmm/snapshot/format.js";

/** Bytes: a number, or "512M", "1G", "64K". */
export type Size = number | `${number}${"K" | "M" | "G"}`;
/** Ends what it is given to: the call then rejects with the signal's reason. */
export interface Abort {
  /** Aborted: the call rejects with its reason. */
  readonly signal?: AbortSignal;
}
/** Bytes to be given to a guest. A string is taken as UTF-8. */
export type Body = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;
/** Signals by name. */
export type SignalName =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGKILL"
  | "SIGTERM"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGCONT"
  | "SIGSTOP";

/** A disk of the guest: /dev/vda, /dev/vdb and on, in their order. */
export interface Disk {
  /** The host's file (Node.js), the path of a file of the origin's (a page), or what holds the bytes. */
  readonly source: string | Blob | URL;
  /** Default: qcow2 for a name that ends so, else raw. */
  readonly format?: "raw" | "qcow2";
  /** The guest cannot write to it. Default: false. */
  readonly readOnly?: boolean;
  /** What a qcow2 image is an overlay of, and that of, each a file: what an image itself names is never opened. */
  readonly backing?: readonly string[];
  /** overlay (default): what the guest writes is gone with the VM. write: it is in the file. */
  readonly mode?: "overlay" | "write";
}

/** What holds a file: its name (Node.js) or its address (a page), a URL, or its bytes. */
export type FileSource = string | URL | Blob | Uint8Array;

/** A folder of the host. */
export type Share = string;

/** Bounds of what a VM uses. */
export interface Limits {
  /**
   * How much the guest's processors run, all together, as so many of the host's, from 0.01: with 0.5 they stand still for half of
   * each tenth of a second. The guest's clock does not. What devices do for it on the machine's thread is not counted.
   */
  readonly cpu?: number;
  /** Bytes of a command's output that are kept, where the command says nothing. */
  readonly output?: Size;
  /**
   * Bytes that what the guest writes may take of the host, of all disks together: overlays with their tables (some 320 KiB for
   * each), and what qcow2 images in mode "write" grow by. Beyond that the guest has I/O errors. A raw file has the size that it has.
   */
  readonly disk?: Size;
  /**
   * What the VM may take of the host's memory: its RAM (`memory`); what kvm takes for its processors, 26M each for POWER, 153M for
   * x86, and 4M; 32M with a network, 64M with a relay; and 48M or more, of which a half is for generated code, whose oldest is
   * dropped beyond, and the rest for what lies in memory of disks: what the guest writes over them, and caches. Beyond that the
   * guest has I/O errors.
   */
  readonly memory?: Size;
  /** Milliseconds after which the VM ends, from 1 on. */
  readonly lifetime?: number;
  /**
   * How many processes its programs may be, all together, threads counted, 1 to 4194304: beyond that nothing can be begun
   * (EAGAIN). The guest's kernel counts them in a control group; calls of `fs` and what the guest's own init runs are not
   * counted. Whoever is root in the guest can undo it: `user` is for what is not to be trusted with that.
   */
  readonly processes?: number;
}

/** What a guest may reach. */
export interface Network {
  /** "example.org:443", "*.debian.org:80,443", "203.0.113.0/24:*"; default: nothing. */
  readonly allow?: "all" | readonly string[];
  /** TCP ports of the host's 127.0.0.1, 1 to 65535, that lead to ports of the guest. */
  readonly forward?: readonly {
    /** Of the host. */
    readonly host: number;
    /** Of the guest. */
    readonly guest: number;
  }[];
  /** How connections leave. Default: "sockets" in Node.js, "fetch" in a page; a URL is a relay's, `new URL("wss://…")`, as docs/network.md tells. */
  readonly via?: "sockets" | "fetch" | URL;
  /** Is asked before each connection, or flow of datagrams, that `allow` allows: only true lets it through. */
  readonly onConnect?: (to: {
    readonly host: string;
    readonly port: number;
    readonly protocol: "tcp" | "udp";
  }) => boolean | Promise<boolean>;
}

/** A step of what takes a while. */
export interface Progress {
  /** What is being done, as "booting". */
  readonly name: string;
  /** How much of `total`, or of what is not known. */
  readonly done: number;
  /** Where it is known. */
  readonly total?: number;
}

/** What a VM is to be. Everything can be left out. */
export interface VmOptions extends Abort {
  /**
   * "debian-busybox" (default in Node.js): Debian's kernel with busybox. A URL, a Blob or the bytes of what `unikvm guest export`
   * wrote. In Node.js also a file's name: one that ends with .guest is such a file; one that ends with .qcow2, or with .img, .raw,
   * .ext4 or .squashfs, is a disk with a root for that kernel, /dev/vda, and what the guest writes to it is gone with the VM.
   */
  readonly image?: FileSource;
  /**
   * Where it goes on, instead of booting: what `vm.snapshot` gave, its bytes, its address, its name or its file. Memory, processors
   * and kernel are the snapshot's; disks and network are named again, and are to be what they were. Of a snapshot without memory
   * only the disks are, and the guest is booted.
   */
  readonly snapshot?: Snapshot | Blob | URL | string;
  /** Which processor and kernel. Default: "ppc64le", which `npm start` boots. An `image` or a `kernel` is to be of the same. */
  readonly guest?: "ppc64le" | "x86_64" | "i386";
  /**
   * A kernel of your own, with its initial RAM disk. In Node.js, drivers for virtio that it has as modules are taken from the
   * initial RAM disk, or from lib/modules/VERSION beside the kernel; in a page they are built in, or the initial RAM disk loads them.
   */
  readonly kernel?: FileSource;
  /** With `kernel`: its initial RAM disk. */
  readonly initrd?: FileSource;
  /** More for the kernel's command line. */
  readonly append?: string;
  /** Default: 512M. */
  readonly memory?: Size;
  /** Default: 1. */
  readonly cpus?: number;
  /** Processor model, as "POWER9". */
  readonly cpu?: string;
  /** Default: what the platform allows. */
  readonly type?: "hv" | "pr";
  /** In the order in which the guest sees them, behind that of an `image`. */
  readonly disks?: readonly Disk[];
  /** Guest path to host folder. */
  readonly shares?: Readonly<Record<string, Share>>;
  /** Default: none. */
  readonly network?: Network;
  /** Default: none, but 8M of a command's output. */
  readonly limits?: Limits;
  /** Of every command. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of every command. Default: the user's home. */
  readonly cwd?: string;
  /** Of every command. Default: root. */
  readonly user?: string;
  /** Called at the beginning and the end of each step of making the VM. */
  readonly onProgress?: (step: Progress) => void;
}

/** In characters. */
export interface TerminalSize {
  /** Lines. */
  readonly rows: number;
  /** Characters of a line. */
  readonly columns: number;
}

/** How a program is run. */
export interface SpawnOptions extends Abort {
  /** Default: the user's home. */
  readonly cwd?: string;
  /** In addition to the VM's, and to PATH, HOME, USER and SHELL, which the guest gives. */
  readonly env?: Readonly<Record<string, string>>;
  /** A name or a number, or either with ":group" behind it. Default: root. */
  readonly user?: string;
  /** Default: "pipe" for spawn, "ignore" for exec. */
  readonly stdin?: Body | "pipe" | "ignore";
  /** A terminal instead of pipes; its output is stdout. */
  readonly pty?: boolean | TerminalSize;
  /** Milliseconds after which its process group is killed. */
  readonly timeout?: number;
}

/** How a command is run to its end. */
export interface ExecOptions extends Omit<SpawnOptions, "pty"> {
  /** Bytes of stdout and of stderr that are kept each, default 8M; the rest is dropped, and the command goes on. */
  readonly maxOutput?: Size;
  /** Reject with an ExecError unless it ends with status 0. */
  readonly check?: boolean;
}

/** How a program ended. */
export interface ExitStatus {
  /** null: a signal ended it. */
  readonly exitCode: number | null;
  /** What ended it, by name or, where it has none here, number; null: it ended by itself. */
  readonly signal: SignalName | number | null;
  /** It was killed at its time limit. */
  readonly timedOut: boolean;
}

/** What a command left. */
export interface ExecResult extends ExitStatus {
  /** As UTF-8. */
  readonly stdout: string;
  /** As UTF-8. */
  readonly stderr: string;
  /** The same as they came. */
  readonly bytes: {
    /** All of it that was kept. */
    readonly stdout: Uint8Array;
    /** All of it that was kept. */
    readonly stderr: Uint8Array;
  };
  /** Some output was dropped. */
  readonly truncated: boolean;
}

/** A program that runs. Disposing of it kills its process group and waits. */
export interface Process extends AsyncDisposable {
  /** The guest's process identifier. */
  readonly pid: number;
  /** Rejects only if the VM ends before. */
  readonly exited: Promise<ExitStatus>;
  /** Closing it is the end of the program's input. */
  readonly stdin: WritableStream<Uint8Array>;
  /** Not read, it stops the program when its pipe is full. Cancelled, it closes the program's pipe. */
  readonly stdout: ReadableStream<Uint8Array>;
  /** As `stdout`; with a terminal nothing comes. */
  readonly stderr: ReadableStream<Uint8Array>;
  /** To its process group. Default: SIGTERM. */
  kill(signal?: SignalName): Promise<void>;
  /** Of its terminal. */
  resize(size: TerminalSize): Promise<void>;
}

/** As node:fs has it. */
export interface Stats {
  /** Kind and permissions, st_mode of stat(2). */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Inode. */
  readonly ino: number;
  /** Names. */
  readonly nlink: number;
  /** Owner. */
  readonly uid: number;
  /** Group. */
  readonly gid: number;
  /** Device that it lies on. */
  readonly dev: number;
  /** Device that it is. */
  readonly rdev: number;
  /** Bytes that are read best at a time. */
  readonly blksize: number;
  /** 512 bytes each. */
  readonly blocks: number;
  /** Last read; milliseconds since 1970, as the others. */
  readonly atimeMs: number;
  /** Last written. */
  readonly mtimeMs: number;
  /** Last changed in any way. */
  readonly ctimeMs: number;
  /** Last read. */
  readonly atime: Date;
  /** Last written. */
  readonly mtime: Date;
  /** Last changed in any way. */
  readonly ctime: Date;
  /** Whether it is a file. */
  isFile(): boolean;
  /** Whether it is a folder. */
  isDirectory(): boolean;
  /** Whether it is a symbolic link; of `lstat` only. */
  isSymbolicLink(): boolean;
  /** Whether it is a character device. */
  isCharacterDevice(): boolean;
  /** Whether it is a block device. */
  isBlockDevice(): boolean;
  /** Whether it is a pipe with a name. */
  isFIFO(): boolean;
  /** Whether it is a socket. */
  isSocket(): boolean;
}

/** As node:fs has it. */
export interface Dirent {
  /** Without its folder. */
  readonly name: string;
  /** The folder that it is in. */
  readonly parentPath: string;
  /** Whether it is a file. */
  isFile(): boolean;
  /** Whether it is a folder. */
  isDirectory(): boolean;
  /** Whether it is a symbolic link. */
  isSymbolicLink(): boolean;
  /** Whether it is a character device. */
  isCharacterDevice(): boolean;
  /** Whether it is a block device. */
  isBlockDevice(): boolean;
  /** Whether it is a pipe with a name. */
  isFIFO(): boolean;
  /** Whether it is a socket. */
  isSocket(): boolean;
}

/** The guest's files, with the names and the errors of node:fs/promises. As root. */
export interface VmFs {
  /** All of it as text. ENOENT, EISDIR, EACCES, as the guest says. */
  readFile(path: string, options: "utf8" | (Abort & { readonly encoding: "utf8" })): Promise<string>;
  /** All of it as bytes. */
  readFile(path: string, options?: Abort): Promise<Uint8Array>;
  /**
   * Makes a file, or replaces what is in it ("a": adds to it; "wx": EEXIST if it is there). `mode`: permissions of a
   * new one, default 0o666 less the guest's umask.
   */
  writeFile(
    path: string,
    data: Body,
    options?: "utf8" | (Abort & { readonly mode?: number; readonly flag?: "w" | "a" | "wx" }),
  ): Promise<void>;
  /** The names in a folder; `recursive`: and in those below it, each from `path` on. ENOENT, ENOTDIR. */
  readdir(
    path: string,
    options?: "utf8" | { readonly withFileTypes?: false; readonly recursive?: boolean },
  ): Promise<readonly string[]>;
  /** What is in a folder; `recursive`: and in those below it. */
  readdir(
    path: string,
    options: { readonly withFileTypes: true; readonly recursive?: boolean },
  ): Promise<readonly Dirent[]>;
  /** What `path` is, links followed. ENOENT. */
  stat(path: string): Promise<Stats>;
  /** What `path` is, a link itself. ENOENT. */
  lstat(path: string): Promise<Stats>;
  /** Where a link leads. EINVAL: it is none. */
  readlink(path: string): Promise<string>;
  /** Makes a folder; `recursive`: with those above it, and if it is there that is well, too. EEXIST. */
  mkdir(path: string, options?: { readonly recursive?: boolean; readonly mode?: number }): Promise<void>;
  /** Removes a file; `recursive`: or a folder with all in it; `force`: if it is there. ENOENT, EISDIR. */
  rm(path: string, options?: { readonly recursive?: boolean; readonly force?: boolean }): Promise<void>;
  /** In one step, in place of what is there. */
  rename(from: string, to: string): Promise<void>;
  /** Makes a link at `path` that leads to `target`. EEXIST. */
  symlink(target: string, path: string): Promise<void>;
  /** Sets the permissions, links followed. */
  chmod(path: string, mode: number): Promise<void>;
  /** `end` is included, as in node:fs. */
  createReadStream(
    path: string,
    options?: Abort & { readonly start?: number; readonly end?: number },
  ): ReadableStream<Uint8Array>;
  /**
   * Unpacks a tree into the folder `path`, which is made where it is not there: a tar (not compressed), or in Node.js the name of
   * a folder of the host, or of a file, whose things then belong to root. Files that are there are replaced, each when the new
   * one is whole; permissions, times, links and of a tar owners are kept. What leads out of the folder, and devices: EPERM.
   * What is no tar: EBADMSG.
   */
  upload(tree: ReadableStream<Uint8Array> | string, path: string, options?: Abort): Promise<void>;
  /**
   * A tar of the folder `path`, named from it on, or of a file. A pattern of `exclude` (`*` and `?`) leaves out what has such a
   * name, or with a "/" such a path. Of a file system that the kernel makes up, as /proc, only its folder is there; sockets are
   * left out; files with several names are there several times. Whoever unpacks it on the host is not to trust it.
   */
  download(path: string, options?: Abort & { readonly exclude?: readonly string[] }): ReadableStream<Uint8Array>;
}

/** Bytes both ways. */
export interface Duplex {
  /** What comes from there. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What goes there. */
  readonly writable: WritableStream<Uint8Array>;
}

/** The way to servers in the guest, past any socket of the host. A VM without a network rejects with VmError ENETUNREACH. */
export interface VmNet {
  /**
   * Connects to a TCP port of the guest, 1 to 65535. Closing `writable` ends this half; cancelling `readable` resets the
   * connection, as does an abort before it is there. VmError, ECONNREFUSED: nothing listens there; ECONNRESET, of the streams:
   * the guest or the VM has ended it.
   */
  connect(port: number, options?: Abort): Promise<Duplex>;
  /**
   * Asks an HTTP/1.1 server in the guest. A string is a path, as "/index.html". Redirections are the caller's to follow, and
   * nothing is decompressed. VmError as `connect`, and EPROTO: what answered does not speak HTTP.
   */
  fetch(port: number, request: Request | string): Promise<Response>;
}

/** What a VM uses. */
export interface VmStats {
  /** Since it was booted, restored or forked, milliseconds. */
  readonly uptime: number;
  /** It stands still. */
  readonly paused: boolean;
  /** The memory that it has, bytes. */
  readonly memory: number;
  /** WebAssembly that was generated for its processors and is kept, bytes: under `hv`. */
  readonly generatedCode: number;
  /** Programs that `exec` and `spawn` began and that have not ended, and calls about files. */
  readonly programs: number;
  /** What was brought over the agent's port, bytes: into the guest, out of it. */
  readonly sent: number;
  /** Out of the guest, bytes. */
  readonly received: number;
  /** What the guest says of itself; undefined: it is paused. */
  readonly guest: GuestStats | undefined;
}

/** What a guest's kernel says of itself (proc(5)): not to be trusted. */
export interface GuestStats {
  /** Bytes: what it uses, and what programs could have. */
  readonly memory: number;
  /** What programs could have, bytes. */
  readonly available: number;
  /** What all its processors were busy for, milliseconds. */
  readonly cpu: number;
  /** Processes and threads that there are. */
  readonly processes: number;
}

/** What happens to a VM. */
export type VmEvent =
  /** `spawn` or `exec` has begun a program; it has ended. */
  | {
      readonly type: "spawned";
      /** The guest's process identifier. */
      readonly pid: number;
      /** The program and its arguments. */
      readonly command: readonly string[];
    }
  | ({
      readonly type: "exited";
      /** The guest's process identifier. */
      readonly pid: number;
    } & Omit<ExitStatus, "timedOut">)
  | { readonly type: "paused" | "resumed" }
  /** It was copied for a snapshot or for twins, and runs on. Where it is not known how long it stood still, there is none. */
  | {
      readonly type: "copied";
      /** For so long it stood still, milliseconds. */
      readonly stopped: number;
    }
  /** The last. */
  | {
      readonly type: "ended";
      /** How. */
      readonly end: VmEnd;
    }
  /** Some were not read in time, and are gone. */
  | {
      readonly type: "forgotten";
      /** How many. */
      readonly count: number;
    };

/** How a VM ended. */
export interface VmEnd {
  /** closed: by `close`. powerOff, reboot: the guest itself. crash: it died. failed: unikvm could not go on. */
  readonly kind: "closed" | "powerOff" | "reboot" | "crash" | "failed" | "lifetime";
  /** What there is to say. */
  readonly message: string;
  /** The last lines of its console, at most 40. */
  readonly console: readonly string[];
}

/** What a snapshot is to be. */
export interface SnapshotOptions extends Abort {
  /** Under which it is kept. Default: it is in this process's memory only. */
  readonly name?: string;
  /** Default: true. */
  readonly memory?: boolean;
  /** Default: "deflate". "stored" is quicker to make and to go on from, and four times as large. */
  readonly packing?: "deflate" | "stored";
}

/** A VM as it was at a moment. What it says of itself may be from anybody. */
export interface Snapshot {
  /** SHA-256 of its head, which has those of all its parts: 64 hexadecimal digits. */
  readonly digest: string;
  /** What it says of itself. */
  readonly info: SnapshotInfo;
  /** All of it, as a file has it. */
  blob(): Promise<Blob>;
  /** The same bytes as they are made. */
  stream(): ReadableStream<Uint8Array>;
}

/** A virtual machine that runs Linux. Disposing of it closes it. Every method rejects with VM_CLOSED once it has ended. */
export interface Vm extends AsyncDisposable {
  /** The guest's files. */
  readonly fs: VmFs;
  /** Servers in the guest. */
  readonly net: VmNet;
  /** The guest's console. What nobody reads is forgotten, the oldest first. */
  readonly console: Duplex;
  /** Resolves with how it ended. Never rejects. */
  readonly closed: Promise<VmEnd>;
  /** Runs a command to its end. A string is for `sh -c`; an array is a program, found in PATH, and its arguments. */
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Begins a program. */
  spawn(command: string | readonly string[], options?: SpawnOptions): Promise<Process>;
  /**
   * All of it as it is now; it runs on. With a name it is kept under that, whole or not at all, in place of what had the name
   * (Node.js: where `unikvm snapshot list` finds it; a name with a folder in it, or that ends with ".snapshot", is a file).
   * `memory: false`: only what was written to disks in mode "overlay", as after a loss of power; written buffers are flushed first.
   * EBUSY: a disk is in mode "write".
   */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>;
  /**
   * Twins (default: one) that go on where it stands, and from then on their own ways; they outlive it. What they write to disks
   * is their own; the time, the host name and the kernel's random numbers are others; programs that run go on in each, and their
   * streams are the first one's. Connections are reset, and no port is forwarded to a twin. EBUSY: a disk is in mode "write".
   */
  fork(count?: number): Promise<readonly Vm[]>;
  /**
   * Programs that `spawn` began and that have not ended. In a twin, and in a VM that was restored, also those that ran in the
   * first one, `exec`'s included, with streams that go on where its reader had come to: what nobody reads stops its writer there,
   * too.
   */
  processes(): Promise<readonly Process[]>;
  /** Has the guest and its time stand still; what is asked of it meanwhile waits. A VM that is paused stays so. */
  pause(): Promise<void>;
  /** Has it go on. */
  resume(): Promise<void>;
  /** What it uses, and what its kernel says. */
  stats(): Promise<VmStats>;
  /** What happens to it from now on, until it ends. Of 1,024 that wait for their reader the oldest is forgotten. */
  events(options?: Abort): AsyncIterableIterator<VmEvent>;
  /** Ends it: programs get SIGTERM and `grace` milliseconds (default: 2000), disks are written, the machine is turned off. */
  close(options?: { readonly grace?: number }): Promise<VmEnd>;
}
