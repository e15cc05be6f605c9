/** What is measured: one row each. Nothing here knows a guest's architecture. */

/** Rows that belong together: one table, one mean. */
export interface RowSet {
  readonly name: string;
  /** What stands above its table. */
  readonly title: string;
  readonly disks: readonly Disk[];
}

/** An initial RAM disk, and so a boot, with the rows that run from it. */
export interface Disk {
  readonly name: string;
  /** MB of the guest's memory. */
  readonly memory: number;
  /** Debian's packages that it has, with all they depend on. */
  readonly packages: readonly string[];
  /** Paths in the packages that no row needs: the guest unpacks all others into its memory. */
  readonly without: readonly string[];
  readonly rows: readonly Row[];
}

export interface Row {
  readonly name: string;
  /** Words, run as they are: no shell looks at them. */
  readonly command: string;
  /** A command whose output is the row's standard input; not measured. */
  readonly prepare?: string;
  /** The host, which runs the same source compiled for itself, must get the same output. */
  readonly native?: true;
}

/** Programs of bench/guest/main.c. */
const compiled = (...names: readonly string[]): Row[] =>
  names.map((name) => ({ name, command: `/bench/rows ${name}`, native: true }));

/** Lines of words, as many bytes. */
const text = (bytes: number): string => `/bench/rows text ${bytes}`;

/** bench/guest/programs/, in the guest. */
const scripts = "/bench/programs";

export const bootRow = "boot";

export const smallPrograms: RowSet = {
  name: "small",
  title: "Small programs",
  disks: [
    {
      name: "small",
      memory: 512,
      packages: [],
      without: [],
      rows: [
        ...compiled("integer", "multiply-divide", "stride", "chase-4m", "chase-64m", "matmul", "nbody", "fir"),
        ...compiled("memcpy-8m", "memcpy-64", "strings", "vectors", "sha256", "crc", "lz", "quicksort", "recursion"),
        ...compiled("interpreter", "virtual-calls", "setjmp", "getppid", "pipe", "page-faults", "mmap", "fork"),
        ...compiled("fork-exec", "tmpfs-reads"),
        { name: "shell-loop", command: `sh ${scripts}/loop.sh` },
        { name: "busybox-awk", command: `awk -f ${scripts}/words.awk`, prepare: text(200_000) },
        { name: "busybox-gzip", command: "gzip -c", prepare: text(3_000_000) },
      ],
    },
  ],
};

/** Character sets that iconv knows. */
const iconv = "usr/lib/.*/gconv";
/** 2^2203 - 1, a prime. */
const mersenne = `7${"F".repeat(550)}`;

/** Each takes QEMU one to five seconds, for some architecture at least: what is over in a tenth of one measures a program's beginning. */
export const debianPrograms: RowSet = {
  name: "debian",
  title: "Debian's programs",
  disks: [
    {
      name: "languages",
      memory: 512,
      packages: ["python3", "perl-base", "lua5.4", "sqlite3"],
      without: [iconv, "usr/share", "usr/lib/python3.*/(ensurepip|lib2to3|pydoc_data|unittest|distutils|idlelib|test)"],
      rows: [
        { name: "python3", command: `python3 ${scripts}/objects.py` },
        { name: "python3-json", command: `python3 ${scripts}/records.py` },
        { name: "perl", command: `perl ${scripts}/report.pl` },
        { name: "lua", command: `lua5.4 ${scripts}/tables.lua` },
        { name: "sqlite3", command: "sqlite3 :memory:", prepare: `cat ${scripts}/queries.sql` },
      ],
    },
    {
      name: "tools",
      memory: 1024,
      packages: ["gawk", "coreutils", "grep", "sed", "findutils", "dash", "openssl", "gzip", "xz-utils"],
      without: [iconv, "usr/share", "usr/lib/.*/perl-base", "usr/bin/(dpkg|perl).*"],
      rows: [
        { name: "gawk", command: `gawk -f ${scripts}/fields.awk`, prepare: text(1_000_000) },
        { name: "sort", command: "sort -k2,3", prepare: text(12_000_000) },
        { name: "grep", command: "grep -c -E (m[a-e]+|reg.*er).*branch", prepare: text(150_000_000) },
        { name: "sed", command: `sed -f ${scripts}/edit.sed`, prepare: text(600_000) },
        {
          name: "find",
          command: `find ${"/tmp/tree ".repeat(48)}-type f -name *1*.[0-9]* -size -2k -printf %P:%s:%m\\n`,
          prepare: `sh ${scripts}/tree.sh`,
        },
        { name: "dash", command: `dash ${scripts}/loop.sh 700` },
        { name: "dash-forks", command: `dash ${scripts}/forks.sh` },
        { name: "openssl-sha512", command: "openssl dgst -sha512", prepare: text(120_000_000) },
        {
          name: "openssl-aes",
          command: `openssl enc -aes-128-cbc -K ${"0f".repeat(16)} -iv ${"a5".repeat(16)}`,
          prepare: text(24_000_000),
        },
        { name: "openssl-prime", command: `openssl prime -hex ${mersenne}` },
        { name: "gzip", command: "gzip -nc", prepare: text(6_000_000) },
        { name: "xz", command: "xz -3 -c", prepare: text(2_000_000) },
      ],
    },
    {
      name: "compiler",
      memory: 1024,
      packages: ["gcc", "libc6-dev"],
      without: [
        ...[iconv, "usr/share", "usr/bin/.*(dump|gcov|dwp|gold|gprof|readelf).*"],
        ...["usr/lib/.*lib[a-z]*san.*", "usr/lib/.*/lto1", "usr/lib/.*/lib[mc](-.*)?\\.a"],
      ],
      rows: [{ name: "gcc", command: `sh ${scripts}/compile.sh` }],
    },
    {
      name: "node",
      memory: 1024,
      packages: ["nodejs"],
      without: [iconv, "usr/share/(?!nodejs).*", "usr/share/nodejs/@types"],
      rows: [{ name: "node", command: `node ${scripts}/service.mjs` }],
    },
  ],
};

export const rowSets: readonly RowSet[] = [smallPrograms, debianPrograms];
